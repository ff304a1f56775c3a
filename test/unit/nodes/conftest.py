"""The tests of this folder need message packages of ROS 2."""

from importlib.util import find_spec

if find_spec('rclpy') is None:
    collect_ignore_glob = ['test_*.py']


def pytest_report_header():
    if find_spec('rclpy') is None:
        return 'test/unit/nodes is left out: ROS 2 (rclpy) is not installed'
    return None
