"""The tests of this folder need message packages of ROS 2; a clock that they set by hand."""

from importlib.util import find_spec

import pytest

if find_spec('rclpy') is None:
    collect_ignore_glob = ['test_*.py']


def pytest_report_header():
    if find_spec('rclpy') is None:
        return 'test/unit/nodes is left out: ROS 2 (rclpy) is not installed'
    return None


class Clock:
    """A clock that stands still until a test sets ``now``, in seconds."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()
