"""The parameters of another node: read over its services, followed over its events, set."""

from typing import Any, Callable

from rcl_interfaces.msg import ParameterDescriptor, ParameterEvent
from rcl_interfaces.srv import (
    DescribeParameters,
    GetParameters,
    ListParameters,
    SetParameters,
)
from rclpy.node import Node
from rclpy.qos import qos_profile_parameter_events

from mtshare_ros.errors import ConfigError
from mtshare_ros.nodes.dashboard.parameter_forms import (
    describe_parameter,
    is_adjustable,
    make_parameter,
    plain_value,
)
from mtshare_ros.nodes.dashboard.service_calls import ServiceCalls


class RemoteParameters:
    """
    The runtime parameters of one node, as that node describes them.

    ``tell`` is called with the descriptions of all of them: when they have been read, and when a
    value has changed, whoever changed it.
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
        """Let go of what was read; another start of the node may have other parameters."""
        self._shown = {}

    def read(self) -> None:
        """Ask for the parameters; without an answer they stay unknown, to be asked for again."""
        self._calls.call(
            self._list, ListParameters.Request(),
            lambda response: self._read_descriptors(response.result.names), _give_up)

    def set(self, name: str, given: Any, reply: Callable[[str], None]) -> None:
        """Ask the node for another value; ``reply`` gets its reason to refuse, or ''."""
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
            lambda response: self._read_values(response.descriptors), _give_up)

    def _read_values(self, descriptors: list[ParameterDescriptor]) -> None:
        self._descriptors = {item.name: item for item in descriptors if is_adjustable(item)}
        self._calls.call(
            self._get, GetParameters.Request(names=list(self._descriptors)),
            lambda response: self._show_all(response.values), _give_up)

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
            self._shown[item.name]['value'] = plain_value(item.value)
        if changed:
            self._tell(list(self._shown.values()))


def _refusal(result: Any) -> str:
    return '' if result.successful else result.reason or 'the node refused it without a reason'


def _give_up(_: str) -> None:
    """Leave a failed reading to the next one; the page says meanwhile that nothing is known."""
