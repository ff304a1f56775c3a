"""Settings are built when a parameter changes, and hold what was really set."""

import pytest
from rcl_interfaces.msg import SetParametersResult
import rclpy
from rclpy.context import Context
from rclpy.node import Node
from rclpy.parameter import Parameter

from mtshare_ros.nodes.parameters import ParameterServer
from mtshare_ros.nodes.perception.parameter_table import (
    PERCEPTION_PARAMETERS,
    runtime_settings,
)


@pytest.fixture
def node():
    context = Context()
    rclpy.init(context=context, domain_id=101)
    made = Node('parameters', context=context)
    yield made
    made.destroy_node()
    rclpy.shutdown(context=context)


@pytest.fixture
def parameters(node):
    return ParameterServer(node, PERCEPTION_PARAMETERS, runtime_settings)


def test_settings_are_built_once_until_a_parameter_changes(node, parameters):
    before = parameters.settings
    again = parameters.settings

    node.set_parameters([Parameter('max_rate', value=7.0), Parameter('lazy', value=False)])

    assert again is before
    assert (parameters.settings.max_rate, parameters.settings.lazy) == (7.0, False)


def test_settings_set_in_one_request_hold_together(node, parameters):
    node.set_parameters_atomically([
        Parameter('temporal.max_age', value=200), Parameter('temporal.refresh_period', value=100)])

    sharing = parameters.settings.sharing
    assert (sharing.max_age, sharing.refresh_period) == (200, 100)


def test_a_value_that_somebody_else_refuses_does_not_hold(node, parameters):
    node.add_on_set_parameters_callback(
        lambda changed: SetParametersResult(successful=False, reason='not now'))

    result = node.set_parameters([Parameter('max_rate', value=7.0)])[0]

    assert not result.successful and parameters.settings.max_rate == 0.0
