"""The soak test: one fault after another is injected, and the recovery from each is measured."""

from dataclasses import dataclass, replace
import math
import random
import time
from typing import Any, Callable, Iterator, Mapping, Sequence

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.srv import GetParameters, SetParameters, SetParametersAtomically
from rclpy.client import Client
from rclpy.parameter import Parameter
from std_srvs.srv import SetBool, Trigger

from mtshare_ros.nodes.trials.trial import Look, Trial

TRANSITIONS = {
    'configure': Transition.TRANSITION_CONFIGURE, 'cleanup': Transition.TRANSITION_CLEANUP,
    'activate': Transition.TRANSITION_ACTIVATE, 'deactivate': Transition.TRANSITION_DEACTIVATE,
}

_SERVICES = {
    'set_parameters': SetParameters, 'set_parameters_atomically': SetParametersAtomically,
    'get_parameters': GetParameters, 'change_state': ChangeState,
    'reset_cache': Trigger, 'enable': SetBool,
}
# Configuring loads the model, which may take long on a busy machine.
_PATIENCE_S = 60.0
# A server answers only when DDS has matched its reply writer with our reader; no API tells when.
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
        """Wait for the services of the node; a missing one shows when it is called."""
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


LIVENESS_S = 30.0
"""How long the outputs may take to come back after a fault."""

CALM_HZ = 2.0
CALM_S = 20.0
"""The rate of the camera at the end, which any device can serve, and how long it may last."""

ANSWER_S = 10.0
"""How long the diagnostics, which come once a second, may take to show something."""


@dataclass(frozen=True)
class Fault:
    """
    A fault that a node has to survive.

    ``inject`` causes it, undoes what ``play`` does not, and returns in words what it chose.
    """

    name: str
    inject: Callable[['SoakStage', random.Random], str]


@dataclass(frozen=True)
class Outcome:
    """
    The result of one fault, injected ``at_s`` seconds after the soak began.

    ``recovery_s`` is how long the outputs took to come back, NaN where they did not;
    ``device_memory_mb`` the memory of the device in use then, NaN where unknown. ``problems``
    lists what the node did wrong.
    """

    at_s: float
    name: str
    choice: str
    recovery_s: float
    device_memory_mb: float
    problems: tuple[str, ...]

    @property
    def came_back(self) -> bool:
        """Whether every output came back in time."""
        return math.isfinite(self.recovery_s)


class SoakStage:
    """What faults use: camera, listener and requests, and a list of problems."""

    def __init__(self, trial: Trial) -> None:
        self.trial = trial
        self.camera = trial.camera
        self.listener = trial.listener
        self.requests = SoakRequests(trial)
        self.current = ''
        self._started_s = time.monotonic()
        self._problems: list[str] = []

    def spin(self, seconds: float) -> None:
        """Handle messages for a while."""
        self.trial.spin(seconds)

    def expect(self, holds: Any, what: str) -> None:
        """Note a problem where a condition does not hold."""
        if not holds:
            self._problems.append(what)

    def expect_status(self, condition: Callable[[], Any], what: str) -> None:
        """Wait until the diagnostics meet a condition; note a problem where they never do."""
        self.expect(self.trial.wait(condition, ANSWER_S), what)

    def play(self, fault: Fault, dice: random.Random) -> Outcome:
        """Inject a fault, restore normal operation and wait for every output."""
        self.current = fault.name
        at_s = time.monotonic() - self._started_s
        self._problems = []
        choice = fault.inject(self, dice)
        self.camera.show(Look())
        self.listener.listen()
        recovery_s = self.trial.wait_for_outputs(LIVENESS_S)
        return Outcome(
            at_s, fault.name, choice, recovery_s,
            self.listener.status.number('device_memory_mb'), tuple(self._problems))

    def calm_down(self) -> None:
        """Send good images at a low rate until the diagnostics are OK."""
        self.current = 'calming down'
        self.camera.show(replace(Look(), rate_hz=CALM_HZ))
        self.trial.wait(lambda: self.listener.status.is_ok, CALM_S)


def schedule(faults: Sequence[Fault], dice: random.Random) -> Iterator[Fault]:
    """Return faults without end: every one once, in random order, and again."""
    while True:
        turn = list(faults)
        dice.shuffle(turn)
        yield from turn
