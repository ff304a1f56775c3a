"""Views of rendered rooms that several tests look at."""

import numpy as np
import pytest
from rendered import CALM, PLAIN_ROOM, Room

from mtshare_ros.motion.rigid import RigidMotion


@pytest.fixture(scope='session')
def room():
    """Return a room with fine texture."""
    return Room(CALM, 'handheld-4')


@pytest.fixture(scope='session')
def view(room):
    """Return the view that the camera had."""
    return room.on_path(0)


@pytest.fixture(scope='session')
def later(room):
    """Return a view from a little further, and a little turned."""
    return room.moved(0, RigidMotion.turned(
        np.array([0.01, -0.02, 0.015]), np.array([-0.03, 0.01, -0.05])))


@pytest.fixture(scope='session')
def elsewhere():
    """Return a view of another room."""
    return Room(PLAIN_ROOM, 'handheld-4').on_path(0)
