"""A silent input is noticed with its reason, and so are stamps that cannot be believed."""

import math

from builtin_interfaces.msg import Time as Stamp
import pytest
import rclpy
from rclpy.clock import ClockType, ROSClock
from rclpy.context import Context
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.time import Time
from sensor_msgs.msg import Image

from mtshare_ros.nodes import qos
from mtshare_ros.nodes.perception.input_watch import AgeMeter, InputWatch

TIMEOUT_S = 5.0
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class Camera:
    """A watched subscription, and the time that passes between its images."""

    def __init__(self, node):
        subscription = node.create_subscription(Image, 'image', print, qos.sensor_input())
        self.node = node
        self.now_s = 0.0
        self.watch = InputWatch(
            node, subscription, 'image', 'sensor_msgs/msg/Image', lambda: self.now_s)

    def wait(self, seconds):
        """Let time pass, looking at every quarter of a second; return what was warned of."""
        warnings = []
        for _ in range(round(4 * seconds)):
            self.now_s += 0.25
            warnings.append(self.watch.check(TIMEOUT_S).warning)
        return [text for text in warnings if text]

    def send(self, *waits):
        """Send an image after each wait; return what was warned of meanwhile."""
        warnings = []
        for seconds in waits:
            warnings += self.wait(seconds)
            self.watch.seen()
        return warnings


@pytest.fixture
def node():
    context = Context()
    rclpy.init(context=context, domain_id=101)
    made = Node('watching', context=context)
    yield made
    made.destroy_node()
    rclpy.shutdown(context=context)


@pytest.fixture
def camera(node):
    return Camera(node)


@pytest.mark.fault(11)
@pytest.mark.parametrize('period_s', [6.5, 30.0])
def test_a_slow_camera_is_called_silent_once_until_its_period_is_known(camera, period_s):
    camera.send(0.0, period_s)

    assert camera.send(*[period_s] * 5, 1.3 * period_s, 0.7 * period_s) == []
    assert camera.watch.silence == ''


@pytest.mark.fault(11)
def test_the_end_of_a_slow_camera_is_noticed_after_three_of_its_periods(camera):
    camera.send(0.0, *[6.5] * 4)

    assert camera.wait(19.0) == []
    warning, = camera.wait(1.0)

    assert 'no image on /image for more than 19.5 s' in warning and camera.watch.silence


def test_a_camera_that_sends_bursts_is_not_called_silent_between_them(camera):
    camera.send(0.0, 0.25, 0.25, 9.0, 0.25, 0.25, 9.0)

    assert camera.send(*[0.25, 0.25, 9.0] * 4) == []


def test_a_failure_of_a_fast_camera_leaves_the_time_out_as_it_is(camera):
    camera.send(0.0, *[0.25] * 9, 60.0, 0.25)

    warning, = camera.wait(6.0)

    assert 'for more than 5.0 s' in warning


def test_a_camera_that_becomes_fast_is_soon_watched_as_one(camera):
    camera.send(0.0, *[6.5] * 9)
    camera.send(*[0.25] * 9)

    assert 'for more than 5.0 s' in camera.wait(6.0)[0]


def test_a_latched_publisher_is_told_with_the_parameters_that_let_it_in(camera):
    camera.node.create_publisher(Image, 'image', LATCHED)

    warning, = camera.wait(6.0)

    assert 'set qos_overrides./image.subscription.durability to transient_local' in warning


@pytest.mark.fault(14)
def test_silence_without_a_clock_names_the_clock(camera):
    camera.node.get_clock()._set_ros_time_is_active(True)

    warning, = camera.wait(6.0)

    assert 'no publisher' in warning and 'nothing was received on /clock' in warning


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
    ([1010 + second for second in range(5)], 0.0, '/clock does not change'),
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
