"""What a soak asks of the perception node: parameters, lifecycle transitions, its services."""

from typing import Any, Mapping

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.srv import GetParameters, SetParameters, SetParametersAtomically
from rclpy.client import Client
from rclpy.parameter import Parameter
from std_srvs.srv import SetBool, Trigger

from mtshare_ros.nodes.trials.trial import Trial

TRANSITIONS = {
    'configure': Transition.TRANSITION_CONFIGURE, 'cleanup': Transition.TRANSITION_CLEANUP,
    'activate': Transition.TRANSITION_ACTIVATE, 'deactivate': Transition.TRANSITION_DEACTIVATE,
}

_SERVICES = {
    'set_parameters': SetParameters, 'set_parameters_atomically': SetParametersAtomically,
    'get_parameters': GetParameters, 'change_state': ChangeState,
    'reset_cache': Trigger, 'enable': SetBool,
}
# Configuring loads the model, on a busy machine twice as slowly as anybody would think.
_PATIENCE_S = 60.0
# A server answers only once its end for replies has found ours, which nothing tells.
_MATCHING_S = 1.0


class SoakRequests:
    """Calls the services of the perception node and returns what it answered."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        self._clients: dict[str, Client] = {
            name: trial.node.create_client(kind, f'perception_node/{name}')
            for name, kind in _SERVICES.items()
        }

    def connect(self) -> None:
        """Wait for the services of the node, without complaint: who calls one will see."""
        self._trial.wait(
            lambda: all(client.service_is_ready() for client in self._clients.values()),
            _PATIENCE_S)
        self._trial.spin(_MATCHING_S)

    def set(self, values: Mapping[str, Any]) -> list[bool]:
        """Set parameters one by one; return for each whether it was accepted."""
        request = SetParameters.Request(parameters=_messages(values))
        response = self.call('set_parameters', request)
        return [result.successful for result in response.results] if response else []

    def set_together(self, values: Mapping[str, Any]) -> bool | None:
        """Set parameters in one atomic request; return whether they were accepted."""
        request = SetParametersAtomically.Request(parameters=_messages(values))
        response = self.call('set_parameters_atomically', request)
        return response.result.successful if response else None

    def get(self, name: str) -> Any:
        """Return the value of a parameter, a list for an array, None without an answer."""
        response = self.call('get_parameters', GetParameters.Request(names=[name]))
        if not response:
            return None
        message = ParameterMessage(name=name, value=response.values[0])
        value = Parameter.from_parameter_msg(message).value
        return value if isinstance(value, (bool, int, float, str)) else list(value)

    def change_state(self, verb: str) -> bool | None:
        """Ask for a lifecycle transition; return whether it was made, None without an answer."""
        request = ChangeState.Request()
        request.transition.id = TRANSITIONS[verb]
        response = self.call('change_state', request)
        return response.success if response else None

    def call(self, name: str, request: Any) -> Any | None:
        """Return the answer of a service, None where none came in time."""
        future = self._clients[name].call_async(request)
        self._trial.wait(future.done, _PATIENCE_S)
        return future.result() if future.done() else None


def _messages(values: Mapping[str, Any]) -> list[Any]:
    return [Parameter(name, value=value).to_parameter_msg() for name, value in values.items()]
