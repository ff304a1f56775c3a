"""Outputs are published to those who subscribed, the names of the classes to late ones too."""

from dataclasses import dataclass, field
import sys
from types import ModuleType

import pytest
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy
from std_msgs.msg import Header
from waiting import wait_until

from mtshare_ros.inference.map_outputs import offered_outputs
from mtshare_ros.nodes import qos
from mtshare_ros.nodes.perception.output_publishers import (
    enabled_outputs,
    LabelInfoPublisher,
    make_label_info,
    MESSAGE_TYPES,
    OutputPublishers,
)
from mtshare_ros.nodes.perception.parameter_table import (
    PERCEPTION_PARAMETERS,
    runtime_settings,
)
from mtshare_ros.tasks import DEFAULT_TASKS, load_labels

OFFERED = offered_outputs(DEFAULT_TASKS)
ENABLED = enabled_outputs(runtime_settings(PERCEPTION_PARAMETERS.defaults()), DEFAULT_TASKS)


@pytest.fixture(scope='module')
def node():
    """Lend one node to all tests: the graph may mistake a second one of its name for the first."""
    context = Context()
    rclpy.init(context=context, domain_id=101)
    made = LifecycleNode('publishing', namespace='robot', context=context)
    yield made
    made.destroy_node()
    rclpy.shutdown(context=context)


def eventually(condition):
    """Poll until a condition holds: the middleware tells changes of the graph a little later."""
    wait_until(condition, 'a change of the graph', pause_s=0.01)


def topics_of(node):
    """Return the topics that the node publishes, and their types."""
    found = node.get_publisher_names_and_types_by_node(node.get_name(), node.get_namespace())
    return {name: types[0] for name, types in found}


@pytest.mark.parametrize(('camera', 'prefix'), [('', '/robot/'), ('left', '/robot/left/')])
def test_every_output_of_a_frame_has_its_topic_under_the_name_of_the_camera(
    node, camera, prefix
):
    publishers = OutputPublishers(node, OFFERED, camera)

    expected = {
        prefix + output.topic: f'sensor_msgs/msg/{MESSAGE_TYPES[output.message].__name__}'
        for output in ENABLED
    }
    assert [publishers.topic_name(output) for output in ENABLED] == list(expected)
    eventually(lambda: expected.items() <= topics_of(node).items())
    publishers.destroy()


def test_nothing_is_left_of_the_topics(node):
    publishers = OutputPublishers(node, OFFERED, 'left')
    eventually(lambda: '/robot/left/depth/points' in topics_of(node))

    publishers.destroy()

    eventually(lambda: not any(name.startswith('/robot/left/') for name in topics_of(node)))


def test_what_is_published_once_is_no_output_of_a_frame(node):
    publishers = OutputPublishers(node, OFFERED)
    latched = [output for output in OFFERED if output.latched]

    assert [output.topic for output in latched] == ['semantic/label_info']
    assert publishers.wanted(OFFERED, lazy=False) == ENABLED
    publishers.destroy()


def test_an_output_nobody_listens_to_is_not_wanted_unless_all_are(node):
    publishers = OutputPublishers(node, OFFERED)

    assert publishers.wanted(ENABLED, lazy=True) == ()
    assert publishers.wanted(ENABLED, lazy=False) == ENABLED
    publishers.destroy()


def test_what_is_published_once_waits_for_late_subscribers():
    profile = qos.latched_output()

    assert profile.durability == DurabilityPolicy.TRANSIENT_LOCAL
    assert profile.reliability == ReliabilityPolicy.RELIABLE and profile.depth == 1


LABELS = load_labels('nyu40')


@dataclass
class StandInClass:
    class_id: int
    class_name: str


@dataclass
class StandInInfo:
    class_map: list
    header: Header = field(default_factory=Header)
    threshold: float = 0.0


@pytest.fixture
def stand_in():
    """
    Return a module with the fields of vision_msgs.

    Simulated: the wheels of ROS bring no vision_msgs. It shows which fields are filled, nothing
    about the real types; the tests that publish need those and skip themselves without.
    """
    module = ModuleType('vision_msgs.msg')
    module.LabelInfo, module.VisionClass = StandInInfo, StandInClass
    return module


@pytest.fixture
def label_node():
    """Lend a node whose logger and graph no other test uses."""
    context = Context()
    rclpy.init(context=context, domain_id=101)
    made = LifecycleNode('labels', context=context)
    yield made
    made.destroy_node()
    rclpy.shutdown(context=context)


def test_every_class_has_its_number_and_name(stand_in):
    stamp = Header().stamp
    stamp.sec = 7

    info = make_label_info(stand_in, LABELS, stamp)

    assert [(entry.class_id, entry.class_name) for entry in info.class_map] == list(
        enumerate(LABELS.names))
    assert info.header.stamp.sec == 7 and info.threshold == 0


def test_without_the_messages_a_line_says_so_and_how_to_get_them(label_node, monkeypatch):
    monkeypatch.setitem(sys.modules, 'vision_msgs', None)
    monkeypatch.setitem(sys.modules, 'vision_msgs.msg', None)
    monkeypatch.setenv('ROS_DISTRO', 'humble')
    lines = []
    monkeypatch.setattr(label_node.get_logger(), 'warning', lines.append)

    publisher = LabelInfoPublisher(label_node, 'semantic/label_info', LABELS)

    assert len(lines) == 1
    assert 'semantic/label_info' in lines[0] and 'ros-humble-vision-msgs' in lines[0]
    publisher.destroy()


def test_a_subscriber_that_comes_later_gets_the_classes(label_node):
    messages = pytest.importorskip('vision_msgs.msg', reason='vision_msgs is not installed')
    publisher = LabelInfoPublisher(label_node, 'semantic/label_info', LABELS)
    received = []
    executor = SingleThreadedExecutor(context=label_node.context)
    executor.add_node(label_node)

    label_node.create_subscription(
        messages.LabelInfo, 'semantic/label_info', received.append, qos.latched_output())
    for _ in range(300):
        executor.spin_once(timeout_sec=0.1)
        if received:
            break

    assert [entry.class_name for entry in received[0].class_map] == list(LABELS.names)
    publisher.destroy()
    assert not label_node.count_publishers('semantic/label_info')
