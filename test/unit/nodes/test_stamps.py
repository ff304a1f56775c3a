"""The age of an image follows the node's clock, and odd stamps are named."""

import math

from builtin_interfaces.msg import Time as Stamp
import pytest
from rclpy.clock import ClockType, ROSClock
from rclpy.time import Time

from mtshare_ros.nodes.perception.input_watch import AgeMeter

WALL_S = 1.8e9


class Clocks:
    """The clock of a node whose time a test sets, and a meter of ages that reads it."""

    def __init__(self, *, simulated=True):
        self.steady_s = 0.0
        self.ros = ROSClock()
        self.ros._set_ros_time_is_active(simulated)
        self.meter = AgeMeter(self.ros, lambda: self.steady_s, lambda: WALL_S)

    def set(self, seconds):
        self.ros.set_ros_time_override(Time(seconds=seconds, clock_type=ClockType.ROS_TIME))

    def measure(self, *stamps, step_s=0.0, passing_s=0.1):
        """Measure one image after the other, while the clock goes on by steps; return the last."""
        for stamp in stamps:
            self.steady_s += passing_s
            if step_s:
                self.set(self.ros.now().nanoseconds / 1e9 + step_s)
            age = self.meter.measure(Stamp(sec=int(stamp), nanosec=int(stamp % 1 * 1e9)))
        return age


@pytest.fixture
def clocks():
    """Lend clocks in simulated time that stand at 1000 s."""
    made = Clocks()
    made.set(1000)
    return made


def test_the_age_is_counted_in_simulated_time(clocks):
    age = clocks.measure(999.75)

    assert age.milliseconds == pytest.approx(250.0) and age.fault == ''


def test_an_image_without_a_stamp_has_no_age(clocks):
    age = clocks.measure(0)

    assert math.isnan(age.milliseconds) and 'no stamps' in age.fault


@pytest.mark.parametrize(('shift_s', 'milliseconds', 'words'), [
    (60, 0.0, 'synchronise the clocks'), (-100, 100_000.0, 'set use_sim_time and have it publish'),
    (0.05, 0.0, ''), (-1, 1000.0, ''),
])
def test_stamps_of_another_clock_than_the_machines_are_named_at_once(
    shift_s, milliseconds, words
):
    clocks = Clocks(simulated=False)

    age = clocks.measure(clocks.ros.now().nanoseconds / 1e9 + shift_s)

    assert age.milliseconds == pytest.approx(milliseconds, abs=60)
    assert words in age.fault and bool(words) == bool(age.fault)


@pytest.mark.fault(14)
def test_without_a_clock_topic_that_is_what_is_named():
    age = Clocks().measure(WALL_S, WALL_S, WALL_S)

    assert math.isnan(age.milliseconds)
    assert 'nothing was received on /clock' in age.fault and 'synchronise' not in age.fault


@pytest.mark.fault(14)
@pytest.mark.parametrize(('stamps', 'step_s', 'words'), [
    ([WALL_S] * 3, 0.1, 'stamped with the time of day'),
    ([1010, 1011, 1012], 0.1, 'ahead of /clock'),
    ([1010 + second for second in range(5)], 0.0, '/clock stands still'),
    ([900, 901, 902], 0.1, 'behind /clock'),
])
def test_images_that_do_not_follow_the_clock_topic_are_named_as_such(
    clocks, stamps, step_s, words
):
    age = clocks.measure(*stamps, step_s=step_s, passing_s=1.0)

    assert words in age.fault and 'synchronise' not in age.fault
    assert age.milliseconds >= 0


@pytest.mark.fault(14)
def test_the_end_of_a_looping_bag_and_a_clock_in_coarse_steps_are_no_fault(clocks):
    for begin in (1000, 1000, 1000):
        clocks.set(begin)
        # the last images of the round before are still on their way
        told = [clocks.measure(1300), clocks.measure(1300.1)]
        told += [clocks.measure(begin + second) for second in (0.3, 0.6, 0.9, 1.2)]
        assert not any(age.fault for age in told)


def test_a_clock_that_is_paused_together_with_the_images_is_no_fault(clocks):
    clocks.measure(1000)

    assert clocks.measure(1000.5, passing_s=60.0).fault == ''
