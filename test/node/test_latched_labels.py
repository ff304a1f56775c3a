"""The names of the classes are on the graph once the node is configured."""

from importlib.util import find_spec

import pytest

from mtshare_ros.nodes import qos
from mtshare_ros.tasks import load_labels

TOPIC = 'semantic/label_info'


def test_without_vision_msgs_the_node_says_so_once_and_runs(stage, tiny_model):
    if find_spec('vision_msgs') is not None:
        pytest.skip('vision_msgs is installed')

    stage.start_perception(tiny_model)

    assert stage.perception.count_lines(TOPIC, 'vision_msgs is not installed') == 1
    assert not stage.observer.node.count_publishers(TOPIC)


def test_the_classes_are_there_for_a_subscriber_that_comes_after_configuring(stage, tiny_model):
    messages = pytest.importorskip('vision_msgs.msg', reason='vision_msgs is not installed')
    stage.start_perception(tiny_model, wait_for='unconfigured', autostart=False)
    stage.observer.change_state('configure')
    received = []

    stage.observer.node.create_subscription(
        messages.LabelInfo, TOPIC, received.append, qos.latched_output())

    stage.observer.spin_until(lambda: received, 'the classes')
    assert [(entry.class_id, entry.class_name) for entry in received[0].class_map] == list(
        enumerate(load_labels('nyu40').names))
