"""The launch tests share the harness of the node tests."""

from importlib.util import find_spec
from pathlib import Path
import sys

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / 'node'))

if find_spec('rclpy') is None:
    collect_ignore_glob = ['test_*.py']


def pytest_report_header():
    if find_spec('rclpy') is None:
        return 'test/launch is left out: ROS 2 (rclpy) is not installed'
    return None
