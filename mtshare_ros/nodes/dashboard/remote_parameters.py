"""The parameters of another node: read over its services, followed over its events, set."""

import re
from typing import Any, Callable

from rcl_interfaces.msg import (
    Parameter as ParameterMessage,
    ParameterDescriptor,
    ParameterEvent,
    ParameterType,
    ParameterValue,
)
from rcl_interfaces.srv import (
    DescribeParameters,
    GetParameters,
    ListParameters,
    SetParameters,
)
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import qos_profile_parameter_events

from mtshare_ros.errors import ConfigError
from mtshare_ros.nodes.dashboard.service_calls import ServiceCalls

_KINDS = {
    ParameterType.PARAMETER_BOOL: ('bool', bool),
    ParameterType.PARAMETER_INTEGER: ('integer', int),
    ParameterType.PARAMETER_DOUBLE: ('double', float),
    ParameterType.PARAMETER_STRING: ('string', str),
    ParameterType.PARAMETER_INTEGER_ARRAY: ('integer_array', int),
    ParameterType.PARAMETER_DOUBLE_ARRAY: ('double_array', float),
}
"""The kinds that a form shows, and the Python type of a value or of its items."""

_ROS_ITSELF = ('use_sim_time', 'start_type_description_service')
_CHOICE = re.compile(r"'([^']+)'")
_UNIT = re.compile(r' (?:to -?[\d.]+|in) ([A-Za-z]+)\.$')


def is_adjustable(descriptor: ParameterDescriptor) -> bool:
    """Return whether a form shows this parameter: one of the node's own, not read-only."""
    return (
        not descriptor.read_only and descriptor.type in _KINDS
        and descriptor.name not in _ROS_ITSELF
        and not descriptor.name.startswith('qos_overrides.')
    )


def describe_parameter(descriptor: ParameterDescriptor, value: ParameterValue) -> dict[str, Any]:
    """
    Return what a form needs of a parameter.

    The range is that of the descriptor; choices and unit are read from its
    ``additional_constraints``, as ``nodes.parameters.describe`` writes them.
    """
    kind, _ = _KINDS[descriptor.type]
    allowed = descriptor.additional_constraints
    choices = _CHOICE.findall(allowed) if kind == 'string' else []
    unit = _UNIT.search(allowed)
    limits = [*descriptor.floating_point_range, *descriptor.integer_range]
    return {
        'name': descriptor.name, 'kind': kind, 'value': json_value(value),
        'limits': [limits[0].from_value, limits[0].to_value] if limits else None,
        'choices': choices, 'unit': unit.group(1) if unit else '',
        'text': descriptor.description, 'allowed': allowed,
    }


def json_value(value: ParameterValue) -> Any:
    """Return a value as JSON represents it: a bool, a number, a text, or a list of numbers."""
    found = Parameter.from_parameter_msg(ParameterMessage(name='value', value=value)).value
    return found if isinstance(found, (bool, int, float, str)) else list(found or [])


def make_parameter(descriptor: ParameterDescriptor, given: Any) -> ParameterMessage:
    """
    Return a parameter with a value that came as JSON, in the type that the node declared.

    A page writes 1 for 1.0. Raises ConfigError where the value does not fit that type.
    """
    kind, item_type = _KINDS[descriptor.type]
    is_list = kind.endswith('_array')
    if isinstance(given, list) != is_list:
        raise _misfit(descriptor, given)
    items = [_convert(descriptor, item, item_type) for item in (given if is_list else [given])]
    value = items if is_list else items[0]
    return Parameter(descriptor.name, Parameter.Type(descriptor.type), value).to_parameter_msg()


def _convert(descriptor: ParameterDescriptor, given: Any, item_type: type) -> Any:
    # False for infinity and NaN: dividing them gives NaN, which equals nothing.
    is_whole = isinstance(given, (int, float)) and given == given // 1
    fits = {
        bool: isinstance(given, bool),
        str: isinstance(given, str),
        int: not isinstance(given, bool) and is_whole,
        float: not isinstance(given, bool) and isinstance(given, (int, float)),
    }[item_type]
    try:
        if fits:
            return item_type(given)
    except OverflowError:  # an integer beyond every float
        pass
    raise _misfit(descriptor, given)


def _misfit(descriptor: ParameterDescriptor, given: Any) -> ConfigError:
    return ConfigError(
        f'parameter {descriptor.name} cannot be {given!r}. {descriptor.additional_constraints}'
    )


class RemoteParameters:
    """
    The parameters of one node that can be set at any time, as that node describes them.

    ``tell`` is called with the descriptions of all of them when they have been read and when any
    value has changed.
    """

    def __init__(
        self, node: Node, target: str, calls: ServiceCalls,
        tell: Callable[[list[dict[str, Any]]], None],
    ) -> None:
        self._target = target
        self._calls = calls
        self._tell = tell
        self._descriptors: dict[str, ParameterDescriptor] = {}
        self._shown: dict[str, dict[str, Any]] = {}
        self._list = node.create_client(ListParameters, f'{target}/list_parameters')
        self._describe = node.create_client(DescribeParameters, f'{target}/describe_parameters')
        self._get = node.create_client(GetParameters, f'{target}/get_parameters')
        self._set = node.create_client(SetParameters, f'{target}/set_parameters')
        node.create_subscription(
            ParameterEvent, '/parameter_events', self._follow, qos_profile_parameter_events)

    @property
    def are_known(self) -> bool:
        """Whether the parameters have been read."""
        return bool(self._shown)

    def forget(self) -> None:
        """Forget what was read: after a restart the node may have other parameters."""
        self._shown = {}

    def read(self) -> None:
        """Request the parameters; without an answer they stay unknown until the next ``read``."""
        self._calls.call(
            self._list, ListParameters.Request(),
            lambda response: self._read_descriptors(response.result.names), _ignore_failure)

    def set(self, name: str, given: Any, reply: Callable[[str], None]) -> None:
        """Set a value on the node; ``reply`` gets the reason why that failed, or ''."""
        try:
            if name not in self._shown:
                raise ConfigError(f'{self._target} has no parameter {name!r} to set')
            parameter = make_parameter(self._descriptors[name], given)
        except ConfigError as error:
            reply(str(error))
            return
        self._calls.call(
            self._set, SetParameters.Request(parameters=[parameter]),
            lambda response: reply(_refusal(response.results[0])), reply)

    def _read_descriptors(self, names: list[str]) -> None:
        self._calls.call(
            self._describe, DescribeParameters.Request(names=names),
            lambda response: self._read_values(response.descriptors), _ignore_failure)

    def _read_values(self, descriptors: list[ParameterDescriptor]) -> None:
        self._descriptors = {item.name: item for item in descriptors if is_adjustable(item)}
        self._calls.call(
            self._get, GetParameters.Request(names=list(self._descriptors)),
            lambda response: self._show_all(response.values), _ignore_failure)

    def _show_all(self, values: list[Any]) -> None:
        self._shown = {
            descriptor.name: describe_parameter(descriptor, value)
            for descriptor, value in zip(self._descriptors.values(), values)
        }
        self._tell(list(self._shown.values()))

    def _follow(self, event: ParameterEvent) -> None:
        if event.node != self._target:
            return
        changed = [item for item in [*event.new_parameters, *event.changed_parameters]
                   if item.name in self._shown]
        for item in changed:
            self._shown[item.name]['value'] = json_value(item.value)
        if changed:
            self._tell(list(self._shown.values()))


def _refusal(result: Any) -> str:
    return '' if result.successful else result.reason or 'the node refused it without a reason'


def _ignore_failure(_: str) -> None:
    """Do nothing: the next ``read`` tries again, and the page shows that nothing is known."""
