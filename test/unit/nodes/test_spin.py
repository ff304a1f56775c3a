"""A node that is told to stop ends with code 0, however far it has come."""

import signal

import pytest
import rclpy
from rclpy.utilities import try_shutdown

from mtshare_ros.nodes.spin import _run


@pytest.fixture
def started():
    """Start ROS in this process for one test, which leaves the process deaf to signals."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    rclpy.init()
    yield
    try_shutdown()
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.fault(25)
def test_a_signal_while_the_node_is_made_ends_it_with_code_0(started):
    def interrupted():
        rclpy.shutdown()
        return rclpy.create_node('late')

    assert _run(interrupted) == 0


def test_a_defect_while_the_node_is_made_is_shown(started):
    def broken():
        raise ValueError('a defect')

    with pytest.raises(ValueError, match='a defect'):
        _run(broken)
