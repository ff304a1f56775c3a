"""Calibrate thresholds with many workers, which measure on clips or on recordings."""

from dataclasses import dataclass
from pathlib import Path
import tempfile
from typing import Any, Callable, Sequence

import numpy as np

from mtshare_ros.evaluation.measurements import Measurement, Tick
from mtshare_ros.evaluation.output_error import ClipMeter
from mtshare_ros.evaluation.recorded_calibration import RecordingMeter
from mtshare_ros.evaluation.room_data import CalibrationClips, render_clips
from mtshare_ros.fleet.fetching import fetch
from mtshare_ros.fleet.ordered_results import in_order
from mtshare_ros.fleet.pool import Pool, Report, Task
from mtshare_ros.fleet.sources.sources import Source
from mtshare_ros.fleet.worker_model import WorkerModel
from mtshare_ros.inference.engine import Engine
from mtshare_ros.recording.calibration_frames import CalibrationRecording, RecordingChoice
from mtshare_ros.sharing.sharing_settings import SharingSettings

_KEPT = 40
"""Clips that a worker keeps with the outputs of their frames, 50 to 80 MB each at 240x320."""

Say = Callable[[str], None]


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

        def make(number: int, tick: Tick, say: Say) -> ClipMeter:
            clip, = render_clips([self.clips.specs[number]], frames=self.clips.frames,
                                 size=engine.input_size)
            return ClipMeter(engine, clip, self.sharing, tick)

        return MeasuringWorker(make, report)


@dataclass(frozen=True)
class FetchedRecording:
    """A source of a fleet; where it is in object storage, a copy is read, and removed again."""

    source: Source
    image_topic: str | None = None

    @property
    def name(self) -> str:
        """Its name in messages and in the model."""
        return self.source.name

    def frames(self, size: tuple[int, int], say: Say) -> list[np.ndarray]:
        """Return the first frames; see CalibrationRecording."""
        with tempfile.TemporaryDirectory() as folder:
            path = fetch(self.source, Path(folder))
            return RecordingChoice(path, self.source.kind == 'bag', self.image_topic).frames(
                size, say)


@dataclass(frozen=True)
class RecordingWorkers:
    """Makes workers that measure on recordings, which they read."""

    model: WorkerModel
    recordings: Sequence[CalibrationRecording]

    @property
    def names(self) -> list[str]:
        """The names of the recordings."""
        return [recording.name for recording in self.recordings]

    def __call__(self, report: Report) -> 'MeasuringWorker':
        """Return a worker, in the process it runs in."""
        engine = self.model.load()

        def make(number: int, tick: Tick, say: Say) -> RecordingMeter:
            return meter_of(engine, self.recordings[number], tick, say)

        return MeasuringWorker(make, report)


def meter_of(
    engine: Engine, recording: CalibrationRecording, tick: Tick, say: Say
) -> RecordingMeter:
    """Return what measures on a recording; ``say`` gets lines about it, with its name."""
    return RecordingMeter(engine, lambda: recording.frames(
        engine.input_size, lambda line: say(f'{recording.name}: {line}')), tick)


class MeasuringWorker:
    """
    Does measurements in its process.

    ``make_meter`` returns what measures on the clip of a number, given the tick to call and a
    function for lines to the user. It is kept, as a search measures on each clip many times; when
    ``kept`` are, those of further clips are made anew each time.
    """

    def __init__(
        self, make_meter: Callable[[int, Tick, Say], Any], report: Report, kept: int = _KEPT
    ) -> None:
        self._make, self._report, self._kept = make_meter, report, kept
        self._meters: dict[int, Any] = {}
        self._key, self._frames = '', 0
        self._lines: list[str] = []

    def measure(self, key: str, measurement: Measurement) -> Measured:
        """Do a measurement on its clip."""
        self._key, self._frames, self._lines = key, 0, []
        return Measured(measurement.on(self._meter(measurement.clip)), self._frames,
                        tuple(self._lines))

    def _meter(self, clip: int) -> Any:
        if clip in self._meters:
            return self._meters[clip]
        meter = self._make(clip, self._tick, lambda line: self._lines.append(line))
        if len(self._meters) < self._kept:
            self._meters[clip] = meter
        return meter

    def _tick(self) -> None:
        self._frames += 1
        self._report(self._key, self._frames)


class PoolSpread:
    """
    Spreads measurements over the workers of a pool; see ``measurements.Spread``.

    ``names`` are those of the clips. ``say`` gets the lines for the user, each once.
    """

    def __init__(
        self, pool: Pool, names: Sequence[str], say: Say = lambda line: None
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
