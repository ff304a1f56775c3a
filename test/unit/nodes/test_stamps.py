"""The age of an image follows the node's clock, and odd stamps are named."""

import math

from builtin_interfaces.msg import Time as Stamp
import pytest
from rclpy.clock import ClockType, ROSClock
from rclpy.time import Time

from mtshare_ros.nodes.stamps import measure_age


@pytest.fixture
def clock():
    """Lend a clock in simulated time that stands at 1000 s."""
    made = ROSClock()
    made._set_ros_time_is_active(True)
    made.set_ros_time_override(Time(seconds=1000, clock_type=ClockType.ROS_TIME))
    return made


def test_the_age_is_counted_in_simulated_time(clock):
    age = measure_age(Stamp(sec=999, nanosec=750_000_000), clock)

    assert age.milliseconds == pytest.approx(250.0) and age.fault == ''


@pytest.mark.parametrize(('sec', 'milliseconds', 'words'), [
    (1060, 0.0, 'ahead of this node'),
    (0, math.nan, 'no stamps'),
    (900, 100_000.0, 'use_sim_time'),
])
def test_odd_stamps_are_named_and_no_age_is_negative(clock, sec, milliseconds, words):
    age = measure_age(Stamp(sec=sec), clock)

    assert age.milliseconds == pytest.approx(milliseconds, nan_ok=True)
    assert words in age.fault


def test_clocks_a_little_apart_are_no_fault(clock):
    age = measure_age(Stamp(sec=1000, nanosec=50_000_000), clock)

    assert (age.milliseconds, age.fault) == (0.0, '')
