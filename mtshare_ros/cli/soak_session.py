"""A soak at work: one fault after another, and what the node makes of it."""

from dataclasses import dataclass
import random
from typing import Any, Callable

from mtshare_ros.cli.node_process import stop_all
from mtshare_ros.cli.node_trial import NodeTrial
from mtshare_ros.cli.process_usage import UsageLog
from mtshare_ros.cli.soak_record import SoakRecord
from mtshare_ros.errors import MtshareError

_TRACEBACK = 'Traceback (most recent call last)'


@dataclass(frozen=True)
class SoakOptions:
    """Which node is soaked, for how long, and with which faults."""

    duration_s: float
    seed: int
    model: str
    device: str


class SoakSession:
    """
    Plays faults to a node until the time is over; ``show`` is called about twenty times a second.

    ``stage`` is a ``nodes.soak_stage.SoakStage``, which is not named in the annotations, because
    importing it needs ROS 2.
    """

    def __init__(
        self, options: SoakOptions, trial: NodeTrial, show: Callable[['SoakSession'], None]
    ) -> None:
        from mtshare_ros.nodes.trials.soak_stage import SoakStage

        self.options = options
        self.outcomes: list[Any] = []
        self.usage: UsageLog | None = None
        self.stage = SoakStage(trial.surroundings)
        self.is_stopped = False
        self._trial = trial
        self._show = show
        trial.watch = self._watch

    def elapsed_s(self) -> float:
        """Return the seconds since the first outputs, 0 before them."""
        return self.usage.elapsed_s() if self.usage is not None else 0.0

    def run(self) -> SoakRecord:
        """Wait for the node, inject faults, end the node and return what was measured."""
        self._trial.wait_for_the_node()
        ending = ''
        try:
            self.stage.requests.connect()
            self.usage = UsageLog(self._trial.process.pid)
            self._play_faults()
            self.stage.calm_down()
        except KeyboardInterrupt:
            self.is_stopped = True
        except MtshareError as error:
            ending = str(error)
        stop_all([self._trial.process])
        return self._record(ending)

    def _play_faults(self) -> None:
        from mtshare_ros.nodes.trials.soak_input_faults import INPUT_FAULTS
        from mtshare_ros.nodes.trials.soak_request_faults import REQUEST_FAULTS
        from mtshare_ros.nodes.trials.soak_stage import schedule

        dice = random.Random(self.options.seed)
        faults = schedule((*INPUT_FAULTS, *REQUEST_FAULTS), dice)
        while self.elapsed_s() < self.options.duration_s:
            self.outcomes.append(self.stage.play(next(faults), dice))

    def _watch(self) -> None:
        if self.usage is not None:
            self.usage.sample()
        self._show(self)

    def _record(self, ending: str) -> SoakRecord:
        listener, process = self.stage.listener, self._trial.process
        return SoakRecord(
            seed=self.options.seed, model=self.options.model,
            device=listener.status.values.get('device', ''), elapsed_s=self.elapsed_s(),
            outcomes=tuple(self.outcomes),
            usage=tuple(self.usage.samples) if self.usage is not None else (),
            status_ok=listener.status.is_ok, status=listener.status.message,
            figures=dict(listener.status.values), lowest_age_ms=listener.lowest_age_ms,
            strange_stamps=listener.strange_stamps, ending=ending,
            tracebacks=process.output().count(_TRACEBACK), exit_code=process.exit_code)
