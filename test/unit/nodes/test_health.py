"""The silence of a camera is told with its cause, and a slow camera is not called silent."""

import pytest
import rclpy
from rclpy.context import Context
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import Image

from mtshare_ros.nodes import qos
from mtshare_ros.nodes.perception.input_watch import InputWatch

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
