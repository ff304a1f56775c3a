"""The names of the classes as vision_msgs/LabelInfo."""

from dataclasses import dataclass, field
import sys
from types import ModuleType

import pytest
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode
from std_msgs.msg import Header

from mtshare_ros.nodes import qos
from mtshare_ros.nodes.perception.output_publishers import LabelInfoPublisher, make_label_info
from mtshare_ros.tasks import load_labels

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
def node():
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


def test_without_the_messages_a_line_says_so_and_how_to_get_them(node, monkeypatch):
    monkeypatch.setitem(sys.modules, 'vision_msgs', None)
    monkeypatch.setitem(sys.modules, 'vision_msgs.msg', None)
    monkeypatch.setenv('ROS_DISTRO', 'humble')
    lines = []
    monkeypatch.setattr(node.get_logger(), 'warning', lines.append)

    publisher = LabelInfoPublisher(node, 'semantic/label_info', LABELS)

    assert len(lines) == 1
    assert 'semantic/label_info' in lines[0] and 'ros-humble-vision-msgs' in lines[0]
    publisher.destroy()


def test_a_subscriber_that_comes_later_gets_the_classes(node):
    messages = pytest.importorskip('vision_msgs.msg', reason='vision_msgs is not installed')
    publisher = LabelInfoPublisher(node, 'semantic/label_info', LABELS)
    received = []
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)

    node.create_subscription(
        messages.LabelInfo, 'semantic/label_info', received.append, qos.latched_output())
    for _ in range(300):
        executor.spin_once(timeout_sec=0.1)
        if received:
            break

    assert [entry.class_name for entry in received[0].class_map] == list(LABELS.names)
    publisher.destroy()
    assert not node.count_publishers('semantic/label_info')
