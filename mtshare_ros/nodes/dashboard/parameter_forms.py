"""The parameters of another node for a form on a page, and values from that form for the node."""

import re
from typing import Any

from rcl_interfaces.msg import (
    Parameter as ParameterMessage,
    ParameterDescriptor,
    ParameterType,
    ParameterValue,
)
from rclpy.parameter import Parameter

from mtshare_ros.errors import ConfigError

_KINDS = {
    ParameterType.PARAMETER_BOOL: ('bool', bool),
    ParameterType.PARAMETER_INTEGER: ('integer', int),
    ParameterType.PARAMETER_DOUBLE: ('double', float),
    ParameterType.PARAMETER_STRING: ('string', str),
    ParameterType.PARAMETER_INTEGER_ARRAY: ('integer_array', int),
    ParameterType.PARAMETER_DOUBLE_ARRAY: ('double_array', float),
}
"""The kinds a form knows, and the Python type of a value or of its items."""

_ROS_ITSELF = ('use_sim_time', 'start_type_description_service')
_CHOICE = re.compile(r"'([^']+)'")
_UNIT = re.compile(r' (?:to -?[\d.]+|in) ([A-Za-z]+)\.$')


def is_adjustable(descriptor: ParameterDescriptor) -> bool:
    """Return whether a form offers this parameter: one of the node's own, set at any time."""
    return (
        not descriptor.read_only and descriptor.type in _KINDS
        and descriptor.name not in _ROS_ITSELF
        and not descriptor.name.startswith('qos_overrides.')
    )


def describe_parameter(descriptor: ParameterDescriptor, value: ParameterValue) -> dict[str, Any]:
    """
    Return what a form has to know of a parameter.

    The range is that of the descriptor; choices and unit stand in its ``additional_constraints``.
    """
    kind, _ = _KINDS[descriptor.type]
    allowed = descriptor.additional_constraints
    choices = _CHOICE.findall(allowed) if kind == 'string' else []
    unit = _UNIT.search(allowed)
    limits = [*descriptor.floating_point_range, *descriptor.integer_range]
    return {
        'name': descriptor.name, 'kind': kind, 'value': plain_value(value),
        'limits': [limits[0].from_value, limits[0].to_value] if limits else None,
        'choices': choices, 'unit': unit.group(1) if unit else '',
        'text': descriptor.description, 'allowed': allowed,
    }


def plain_value(value: ParameterValue) -> Any:
    """Return a value as JSON has it: a bool, a number, a text, or a list of numbers."""
    found = Parameter.from_parameter_msg(ParameterMessage(name='value', value=value)).value
    return found if isinstance(found, (bool, int, float, str)) else list(found or [])


def make_parameter(descriptor: ParameterDescriptor, given: Any) -> ParameterMessage:
    """
    Return a parameter with a value that came as JSON, in the type that the node declared.

    A page writes 1 for 1.0. Raises ConfigError where the value has no meaning in that type.
    """
    kind, item_type = _KINDS[descriptor.type]
    is_list = kind.endswith('_array')
    if isinstance(given, list) != is_list:
        raise _misfit(descriptor, given)
    items = [_convert(descriptor, item, item_type) for item in (given if is_list else [given])]
    value = items if is_list else items[0]
    return Parameter(descriptor.name, Parameter.Type(descriptor.type), value).to_parameter_msg()


def _convert(descriptor: ParameterDescriptor, given: Any, item_type: type) -> Any:
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
    except OverflowError:  # infinity as an integer, or an integer beyond every float
        pass
    raise _misfit(descriptor, given)


def _misfit(descriptor: ParameterDescriptor, given: Any) -> ConfigError:
    return ConfigError(
        f'parameter {descriptor.name} cannot be {given!r}. {descriptor.additional_constraints}'
    )
