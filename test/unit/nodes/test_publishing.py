"""The topics of a camera: their names, their qualities, and that they go again."""

import time

import pytest
import rclpy
from rclpy.context import Context
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy

from mtshare_ros.inference.map_outputs import offered_outputs
from mtshare_ros.nodes import qos
from mtshare_ros.nodes.perception.output_publishers import (
    enabled_outputs,
    MESSAGE_TYPES,
    OutputPublishers,
)
from mtshare_ros.nodes.perception.parameter_table import (
    PERCEPTION_PARAMETERS,
    runtime_settings,
)
from mtshare_ros.tasks import DEFAULT_TASKS

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
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, 'waited in vain'
        time.sleep(0.01)


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
