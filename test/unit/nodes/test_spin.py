"""A node ends with the right exit code, and no request to a service ends it."""

import signal

import pytest
from rcl_interfaces.msg import Parameter, ParameterValue
from rcl_interfaces.srv import ListParameters, SetParameters, SetParametersAtomically
import rclpy
from rclpy.context import Context
from rclpy.node import Node
from rclpy.utilities import try_shutdown

from mtshare_ros.nodes.spin import _run, guard_services


@pytest.fixture
def started():
    """Start ROS in this process for one test, which leaves the process deaf to signals."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    rclpy.init()
    yield
    try_shutdown()
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.fault(25)
def test_a_signal_while_the_node_is_made_ends_it_with_code_0(started):
    def interrupted():
        rclpy.shutdown()
        return rclpy.create_node('late')

    assert _run(interrupted) == 0


def test_a_defect_while_the_node_is_made_is_shown(started):
    def broken():
        raise ValueError('a defect')

    with pytest.raises(ValueError, match='a defect'):
        _run(broken)


TYPE_THAT_DOES_NOT_EXIST = 77


@pytest.fixture
def node():
    """Lend a guarded node with one parameter; it talks to nobody."""
    context = Context()
    rclpy.init(context=context)
    made = Node('guarded', context=context)
    made.declare_parameter('gain', 1.0)
    guard_services(made)
    yield made
    made.destroy_node()
    rclpy.shutdown(context=context)


def call(node, name, kind, request):
    """Hand a request to a service's callback as the executor does."""
    service = next(item for item in node.services if item.srv_name.endswith(f'/{name}'))
    return service.callback(request, kind.Response())


def parameter(name='gain', kind=3, value=2.0):
    return Parameter(name=name, value=ParameterValue(type=kind, double_value=value))


UNREADABLE = parameter(kind=TYPE_THAT_DOES_NOT_EXIST)


def test_an_unreadable_parameter_is_refused_with_the_reason(node):
    response = call(
        node, 'set_parameters', SetParameters, SetParameters.Request(parameters=[UNREADABLE]))

    assert [item.successful for item in response.results] == [False]
    assert 'cannot be read: 77' in response.results[0].reason


def test_what_was_set_before_the_unreadable_one_counts_as_set(node):
    request = SetParameters.Request(parameters=[parameter(), UNREADABLE, parameter(value=3.0)])

    response = call(node, 'set_parameters', SetParameters, request)

    assert [item.successful for item in response.results] == [True, False, False]
    assert node.get_parameter('gain').value == 2.0


def test_of_an_atomic_request_with_an_unreadable_one_nothing_is_set(node):
    request = SetParametersAtomically.Request(parameters=[parameter(), UNREADABLE])

    response = call(node, 'set_parameters_atomically', SetParametersAtomically, request)

    assert not response.result.successful and 'cannot be read' in response.result.reason
    assert node.get_parameter('gain').value == 1.0


def test_a_readable_request_is_answered_as_ever(node):
    response = call(
        node, 'list_parameters', ListParameters, ListParameters.Request(depth=1))

    assert 'gain' in response.result.names
