"""Fixtures of the tests of sharing."""

from branched import branched_network
import pytest
import torch


@pytest.fixture
def no_gradients():
    """Run as the engine does."""
    with torch.inference_mode():
        yield


@pytest.fixture(scope='module')
def network():
    """Return a network whose sub-tasks have blocks of their own."""
    return branched_network()
