"""One fault after another, and what came of each."""

from dataclasses import dataclass, replace
import math
import random
import time
from typing import Any, Callable, Iterator, Sequence

from mtshare_ros.nodes.trials.soak_requests import SoakRequests
from mtshare_ros.nodes.trials.trial import Trial
from mtshare_ros.nodes.trials.trial_camera import Look

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
    Something that happens to a node.

    ``inject`` does it, undoes what only it knows of, and returns in words what it chose to do.
    """

    name: str
    inject: Callable[['SoakStage', random.Random], str]


@dataclass(frozen=True)
class Outcome:
    """
    What came of one fault, played ``at_s`` seconds after the stage was set.

    ``recovery_s`` is how long the outputs took to come back, NaN where they did not;
    ``device_memory_mb`` what the network's device had in use then, NaN where that is not known.
    ``problems`` says what the node should have done otherwise.
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
    """The node's surroundings as faults use them."""

    def __init__(self, trial: Trial) -> None:
        self.trial = trial
        self.camera = trial.camera
        self.listener = trial.listener
        self.requests = SoakRequests(trial)
        self.current = ''
        self._started_s = time.monotonic()
        self._problems: list[str] = []

    def spin(self, seconds: float) -> None:
        """Let time pass."""
        self.trial.spin(seconds)

    def expect(self, holds: Any, what: str) -> None:
        """Note what the node should have done, where it did not."""
        if not holds:
            self._problems.append(what)

    def expect_status(self, condition: Callable[[], Any], what: str) -> None:
        """Wait until the diagnostics show something, and note where they never do."""
        self.expect(self.trial.wait(condition, ANSWER_S), what)

    def play(self, fault: Fault, dice: random.Random) -> Outcome:
        """Inject a fault, make everything right again and wait for every output."""
        self.current = fault.name
        at_s = time.monotonic() - self._started_s
        self._problems = []
        choice = fault.inject(self, dice)
        self.camera.show(Look())
        self.listener.listen()
        recovery_s = self.trial.wait_for_outputs(LIVENESS_S)
        return Outcome(
            at_s, fault.name, choice, recovery_s,
            self.listener.status.figure('device_memory_mb'), tuple(self._problems))

    def calm_down(self) -> None:
        """Show the node few good images until its diagnostics say that all is well."""
        self.current = 'calming down'
        self.camera.show(replace(Look(), rate_hz=CALM_HZ))
        self.trial.wait(lambda: self.listener.status.is_ok, CALM_S)


def schedule(faults: Sequence[Fault], dice: random.Random) -> Iterator[Fault]:
    """Return faults without end: every one once, in random order, and again."""
    while True:
        turn = list(faults)
        dice.shuffle(turn)
        yield from turn
