"""Maps of rendered rooms are carried to where another rendering says they belong."""

import numpy as np
import pytest
from rendered import Room
import torch

from mtshare_ros.motion.composite import Composite
from mtshare_ros.motion.rigid import RigidMotion

NAMES = ('mask', 'depth', 'normals')
SIZE = (120, 160)
STEP = RigidMotion.turned(np.array([0.004, -0.01, 0.006]), np.array([-0.01, 0.004, -0.02]))


def after(count):
    """Return the motion of some steps."""
    motion = RigidMotion.none()
    for _ in range(count):
        motion = STEP.after(motion)
    return motion


@pytest.fixture(scope='module', params=[1101003, 1101010, 1101028])
def room(request):
    """Return a room with things in it."""
    return Room(request.param, 'handheld-4', SIZE)


@pytest.fixture(scope='module')
def carried(room):
    """Return a composite that has moved eight times since it was put, and the true view."""
    first = room.moved(5, RigidMotion.none())
    made = Composite(SIZE, NAMES)
    made.put(None, first.maps, first.image)
    for _ in range(8):
        made.move(STEP, room.camera)
    return made, room.moved(5, after(8))


def test_labels_agree(carried):
    made, true = carried

    assert (made.maps['mask'] == true.maps['mask'])[made.seen].float().mean() > 0.97


def test_depth_is_right_to_one_per_cent(carried):
    made, true = carried

    error = ((made.maps['depth'] - true.depth).abs() / true.depth)[made.seen]
    assert (error < 0.01).float().mean() > 0.95
    assert error.median() < 0.001


def test_normals_are_turned(carried):
    made, true = carried

    # between the pixels of two walls lie directions between theirs
    sine = torch.linalg.cross(made.maps['normals'], true.maps['normals']).norm(dim=-1)[made.seen]
    assert (sine < 0.02).float().mean() > 0.85
    assert sine.median() < 0.001


def test_the_image_is_as_it_will_be(carried):
    made, true = carried

    assert (made.image - true.image.float())[made.seen].abs().median() < 6


def test_most_of_the_view_was_seen(carried):
    made, _ = carried

    assert 0.75 < made.seen.float().mean() < 0.98
