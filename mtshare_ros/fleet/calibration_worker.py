"""Calibrate thresholds with many workers, which measure on clips or on recordings."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Callable, Sequence

from mtshare_ros.evaluation.measurements import Measurement, Tick
from mtshare_ros.evaluation.output_error import ClipMeter
from mtshare_ros.evaluation.recorded_calibration import RecordingMeter
from mtshare_ros.evaluation.room_data import CalibrationClips, render_clips
from mtshare_ros.fleet.ordered_results import in_order
from mtshare_ros.fleet.pool import Pool, Report, Task
from mtshare_ros.fleet.worker_model import WorkerModel
from mtshare_ros.recording.calibration_frames import RecordingChoice
from mtshare_ros.sharing.sharing_settings import SharingSettings

_KEPT = 8
"""Clips that a worker keeps with the outputs of their frames, about 50 MB each at 240x320."""


@dataclass(frozen=True)
class Measured:
    """What a measurement returned, its frames, and lines for the user about the recording."""

    value: Any
    frames: int
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class RoomWorkers:
    """Makes workers that measure on clips of rooms, which they render."""

    model: WorkerModel
    clips: CalibrationClips
    sharing: SharingSettings

    @property
    def names(self) -> list[str]:
        """The names of the clips, those held out after the others."""
        return [f'room {spec.seed}, {spec.motion}' for spec in self.clips.specs]

    def __call__(self, report: Report) -> 'MeasuringWorker':
        """Return a worker, in the process it runs in."""
        engine = self.model.load()

        def make(number: int, tick: Tick, say: Callable[[str], None]) -> ClipMeter:
            clip, = render_clips([self.clips.specs[number]], frames=self.clips.frames,
                                 size=engine.input_size)
            return ClipMeter(engine, clip, self.sharing, tick)

        return MeasuringWorker(make, report)


@dataclass(frozen=True)
class RecordingWorkers:
    """Makes workers that measure on recordings, which they read."""

    model: WorkerModel
    recordings: Sequence[RecordingChoice]

    @property
    def names(self) -> list[str]:
        """The names of the recordings."""
        return [recording.path.name for recording in self.recordings]

    def __call__(self, report: Report) -> 'MeasuringWorker':
        """Return a worker, in the process it runs in."""
        engine = self.model.load()

        def make(number: int, tick: Tick, say: Callable[[str], None]) -> RecordingMeter:
            images = self.recordings[number].frames(engine.input_size, say)
            return RecordingMeter(engine, images, self.names[number], tick)

        return MeasuringWorker(make, report)


class MeasuringWorker:
    """
    Does measurements in its process.

    ``make_meter`` returns what measures on the clip of a number, given the tick to call and a
    function for lines to the user. The last clips are kept: a search measures on each many times.
    """

    def __init__(
        self, make_meter: Callable[[int, Tick, Callable[[str], None]], Any], report: Report
    ) -> None:
        self._make, self._report = make_meter, report
        self._meters: OrderedDict[int, Any] = OrderedDict()
        self._key, self._frames = '', 0

    def measure(self, key: str, measurement: Measurement) -> Measured:
        """Do a measurement on its clip."""
        self._key, self._frames = key, 0
        lines: list[str] = []
        meter = self._meters.pop(measurement.clip, None) or self._make(
            measurement.clip, self._tick, lines.append)
        self._meters[measurement.clip] = meter
        if len(self._meters) > _KEPT:
            self._meters.popitem(last=False)
        return Measured(measurement.on(meter), self._frames, tuple(lines))

    def _tick(self) -> None:
        self._frames += 1
        self._report(self._key, self._frames)


class PoolSpread:
    """
    Spreads measurements over the workers of a pool; see ``measurements.Spread``.

    ``names`` are those of the clips. ``say`` gets the lines for the user, each once.
    """

    def __init__(
        self, pool: Pool, names: Sequence[str], say: Callable[[str], None] = lambda line: None
    ) -> None:
        self._pool, self._names, self._say = pool, names, say
        self._said: set[str] = set()

    def __call__(
        self, measurements: Sequence[Measurement], progress: Callable[[int], None]
    ) -> list[Any]:
        """Return the results in the order of the measurements; raise FleetError if one fails."""
        tasks = [self._task(measurement) for measurement in measurements]
        return [self._value(found) for found in in_order(self._pool, tasks, progress)]

    def _task(self, measurement: Measurement) -> Task:
        # two recordings may have the same name
        key = f'{self._names[measurement.clip]} (number {measurement.clip + 1})'
        return Task(key, 'measure', (key, measurement), near=measurement.clip)

    def _value(self, found: Measured) -> Any:
        for line in found.lines:
            if line not in self._said:
                self._said.add(line)
                self._say(line)
        return found.value
