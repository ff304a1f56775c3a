"""Fixtures of the node tests: a ROS domain of its own for each test, and nodes in processes."""

from importlib.util import find_spec

import pytest

if find_spec('rclpy') is None:
    collect_ignore_glob = ['test_*.py']
else:
    from ros_harness import Observer, open_stage


def pytest_report_header():
    if find_spec('rclpy') is None:
        return 'test/node is left out: ROS 2 (rclpy) is not installed'
    return None


@pytest.fixture
def stage(tmp_path):
    """Lend a domain that no other test of this machine uses at the same time."""
    with open_stage(tmp_path) as made:
        yield made


@pytest.fixture(scope='module')
def running(tmp_path_factory, tiny_model):
    """Lend one active perception node to the tests of a module, which leave it as it was."""
    with open_stage(tmp_path_factory.mktemp('running')) as made:
        made.start_perception(tiny_model)
        yield made


@pytest.fixture
def guest(running):
    """Lend an observer to one test beside the module's perception node."""
    with Observer(running.domain, 'guest') as made:
        yield made
