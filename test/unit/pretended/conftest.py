"""The pretended device that tests of it use."""

from pretended_cuda import pretended_cuda
import pytest


@pytest.fixture
def device():
    """Return a machine with one pretended GPU, which is there during the test."""
    with pretended_cuda() as device:
        yield device
