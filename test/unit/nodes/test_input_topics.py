"""The qos_overrides parameters of the inputs: mistakes are told, never ignored."""

from contextlib import contextmanager

import pytest
import rclpy
from rclpy.context import Context
from rclpy.node import Node

from mtshare_ros.errors import ConfigError
from mtshare_ros.nodes.perception.input_topics import check_overrides

INPUTS = ('image', 'camera_info')
INFO = 'qos_overrides./camera/info.subscription.'


@contextmanager
def node_with(**overrides):
    """Lend a node whose camera_info is remapped to /camera/info, with overrides of that topic."""
    context = Context()
    words = ['--ros-args', '-r', 'camera_info:=/camera/info']
    for name, value in overrides.items():
        words += ['-p', f'{INFO}{name}:={value}']
    rclpy.init(context=context, domain_id=101, args=words)
    node = Node('overridden', context=context)
    try:
        yield node
    finally:
        node.destroy_node()
        rclpy.shutdown(context=context)


def test_policies_of_the_inputs_are_known_by_the_topic_after_remapping():
    with node_with(
            durability='transient_local', reliability='reliable', history='keep_all') as node:
        assert check_overrides(node, INPUTS) == []


def test_a_parameter_that_changes_nothing_is_told_with_those_that_do():
    with node_with(deadline='3') as node:
        problem, = check_overrides(node, INPUTS)

    assert problem.startswith(f'{INFO}deadline has no effect')
    assert '/image, /camera/info' in problem and 'durability' in problem


@pytest.mark.parametrize(('policy', 'value', 'words'), [
    ('durability', 'latched', "is 'latched'; allowed is volatile, transient_local"),
    ('reliability', '1', 'is 1; allowed is best_effort, reliable'),
    ('depth', '0', 'is 0; allowed is an integer of at least 1'),
    ('durability', 'transient_local', f'set {INFO}reliability to reliable as well'),
])
def test_a_value_that_is_not_allowed_is_refused(policy, value, words):
    with node_with(**{policy: value}) as node:
        with pytest.raises(ConfigError) as raised:
            check_overrides(node, INPUTS)

    assert words in str(raised.value)
