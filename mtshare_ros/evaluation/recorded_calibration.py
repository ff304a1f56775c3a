"""Choose the refresh period and thresholds of a model on a user's own recordings."""

from dataclasses import dataclass, replace
from typing import Callable, Iterator, Mapping, Sequence

import numpy as np
import torch

from mtshare_ros.config import require
from mtshare_ros.errors import ConfigError, DatasetError, MtshareError
from mtshare_ros.evaluation.measurements import CountedSpread, Spread, Tick
from mtshare_ros.evaluation.output_error import (
    DENSE,
    ErrorMetrics,
    FrameOutputs,
    gated,
    joined,
    outputs,
    relative_error,
)
from mtshare_ros.evaluation.search import largest_within
from mtshare_ros.inference.engine import Engine
from mtshare_ros.model.description import TaskThresholds
from mtshare_ros.sharing.sharing_settings import SharingSettings

PERIODS = (30, 15, 8)
"""Refresh periods that are tried, in frames."""

FEWEST_FRAMES = 24
"""A recording needs at least this many frames: three times the shortest period."""

STEPS = 4
"""Most measurements for one refresh period."""

_SMALLEST, _LARGEST = 1 / 16, 4.0


@dataclass(frozen=True)
class PeriodTrial:
    """
    The largest factor on thresholds with which one refresh period keeps the target error.

    ``errors`` are by task the 95th percentile over frames of the relative difference of a raw
    output to that of the same frame computed dense; ``within`` says whether all tasks keep the
    target. ``macs_fraction`` is the multiply-accumulates as a share of those of dense frames.
    """

    refresh_period: int
    factor: float
    errors: Mapping[str, float]
    macs_fraction: float
    within: bool


@dataclass(frozen=True)
class RecordedCalibration:
    """
    All trials, the one within the target that computes least, and its thresholds.

    ``consecutive`` is by task how much the dense outputs of consecutive frames differ (p95).
    """

    trials: tuple[PeriodTrial, ...]
    chosen: PeriodTrial
    consecutive: Mapping[str, float]
    thresholds: Mapping[str, TaskThresholds]
    sentence: str


def count_frames(frames: int) -> int:
    """Return the largest number of frames computed to calibrate on recordings of ``frames``."""
    return frames * (1 + len(PERIODS) * STEPS)


@dataclass(frozen=True)
class SharedFrames:
    """
    By task the relative differences of the raw outputs of frames with sharing to dense ones.

    ``macs`` were done of the ``dense_macs`` of dense frames. The first frame does not count.
    """

    errors: Mapping[str, list[float]]
    macs: int
    dense_macs: int


@dataclass(frozen=True)
class RecordingCheck:
    """Number of frames of a recording; ``fault`` says why it cannot be used, '' where it can."""

    frames: int
    fault: str = ''


class RecordingMeter:
    """
    Measures on one recording how much sharing changes the raw outputs.

    ``read`` returns its consecutive frames (H, W, 3) uint8, and is called once. Dense outputs are
    computed once, too, and kept on the CPU. ``tick`` is called after each frame.
    """

    def __init__(
        self, engine: Engine, read: Callable[[], Sequence[np.ndarray]], tick: Tick
    ) -> None:
        self._engine, self._read, self._tick = engine, read, tick
        self._images: Sequence[np.ndarray] | None = None
        self._dense: list[dict[str, torch.Tensor]] = []

    def check(self) -> RecordingCheck:
        """Read the recording, and say whether thresholds can be calibrated on it."""
        try:
            return RecordingCheck(len(self._frames), _fault_of(self._frames))
        except MtshareError as error:
            return RecordingCheck(0, str(error))

    def prepare(self) -> dict[str, list[float]]:
        """Compute the dense outputs; return by task how much those of neighbours differ."""
        # half precision halves the memory; its rounding is far below any target error
        self._dense = [{task: values.half().cpu() for task, values in frame.raw.items()}
                       for frame in self._run(self._engine, DENSE)]
        return {task: [relative_error(one[task], other[task])
                       for one, other in zip(self._dense, self._dense[1:])]
                for task in self._engine.network_tasks}

    def measure(
        self, thresholds: Mapping[str, TaskThresholds], refresh_period: int
    ) -> SharedFrames:
        """Compare frames with sharing to dense ones."""
        if not self._dense:
            self.prepare()
        sharing = gated(SharingSettings(refresh_period=refresh_period))
        errors: dict[str, list[float]] = {task: [] for task in self._engine.network_tasks}
        done = dense = 0
        frames = self._run(self._engine.with_thresholds(thresholds), sharing)
        for number, frame in enumerate(frames):
            if number == 0:  # the first frame is computed whole
                continue
            done, dense = done + frame.stats.macs, dense + frame.stats.dense_macs
            for task, found in errors.items():
                found.append(relative_error(frame.raw[task], self._dense[number][task]))
        return SharedFrames(errors, done, dense)

    @property
    def _frames(self) -> Sequence[np.ndarray]:
        if self._images is None:
            self._images = self._read()
        return self._images

    def _run(self, engine: Engine, sharing: SharingSettings) -> Iterator[FrameOutputs]:
        return outputs(engine, self._frames, engine.network_tasks, sharing, self._tick)


def calibrate_recorded(
    engine: Engine, names: Sequence[str], target_error: float, spread: Spread, *,
    progress: Callable[[int], None] = lambda done: None,
    say: Callable[[str], None] = lambda line: None,
) -> RecordedCalibration:
    """
    Find the refresh period and factor on thresholds that keep a target error at the least cost.

    The error of a task is the 95th percentile over the frames of all recordings together, each of
    which is computed in a session of its own and whose first frame does not count; a recording of
    more frames has more weight. ``spread`` measures with a RecordingMeter for each recording, in
    the order of their ``names``. ``progress`` is called with the number of frames done, ``say``
    with a line for each recording that is left out: too few frames, equal ones, or an error.
    Raises DatasetError where no recording is left, ConfigError where no trial keeps the target.
    """
    require(0 < target_error < 1, 'target_error', target_error,
            'above 0 and below 1, such as 0.05')
    counted = CountedSpread(spread, progress)
    checks = counted.measure(range(len(names)), 0, RecordingMeter.check)
    used = _usable(names, checks, say)
    sources, frames = listed([names[place] for place in used]), sum(
        checks[place].frames for place in used)
    search = _Search(engine, used, frames, target_error, counted)
    trials = tuple(search.try_period(period) for period in PERIODS)
    within = [trial for trial in trials if trial.within]
    if not within:
        best = min(trials, key=lambda trial: max(trial.errors.values()))
        raise ConfigError(
            f'target_error is {target_error:g}; on {sources} the least that was reached is '
            f'{max(best.errors.values()):.3f}, with a refresh period of {best.refresh_period}; '
            'ask for at least that')
    chosen = min(within, key=lambda trial: trial.macs_fraction)
    return RecordedCalibration(
        trials, chosen, search.consecutive, scaled(engine, chosen.factor),
        _sentence(chosen, search.consecutive, target_error, sources, frames))


def _usable(
    names: Sequence[str], checks: Sequence[RecordingCheck], say: Callable[[str], None]
) -> list[int]:
    """Return the numbers of the recordings that can be used; say which cannot, and why."""
    faults = [f'{name}: {check.fault}' for name, check in zip(names, checks) if check.fault]
    if len(faults) == len(names):
        raise DatasetError(faults[0] if len(faults) == 1 else
                           f'none of {len(faults)} recordings can be used; the first is '
                           f'{faults[0]}')
    for fault in faults:
        say(f'left out {fault}')
    return [place for place, check in enumerate(checks) if not check.fault]


def scaled(engine: Engine, factor: float) -> dict[str, TaskThresholds]:
    """Return an engine's thresholds, the temporal ones multiplied by a factor."""
    return {task: replace(known, temporal=tuple(
        round(value * factor, 4) for value in known.temporal))
        for task, known in engine.thresholds.items()}


class _Search:
    """Searches factors on the thresholds of an engine, with the recordings of some numbers."""

    def __init__(
        self, engine: Engine, recordings: Sequence[int], frames: int, target: float,
        counted: CountedSpread,
    ) -> None:
        self._engine, self._target, self._counted = engine, target, counted
        self._recordings, self._frames = recordings, frames
        found = counted.measure(recordings, frames, RecordingMeter.prepare)
        self.consecutive = {task: ErrorMetrics.of(joined(one[task] for one in found)).p95
                            for task in engine.network_tasks}

    def try_period(self, period: int) -> PeriodTrial:
        """Return the trial with the largest factor that keeps the target with a refresh period."""
        tried: dict[float, PeriodTrial] = {}

        def error_at(factor: float) -> float:
            tried[factor] = self._measure(period, factor)
            return max(tried[factor].errors.values())

        found = largest_within(error_at, self._target, first=1.0, low=_SMALLEST, high=_LARGEST,
                               steps=STEPS)
        return tried[found.value]

    def _measure(self, period: int, factor: float) -> PeriodTrial:
        found: list[SharedFrames] = self._counted.measure(
            self._recordings, self._frames, RecordingMeter.measure,
            scaled(self._engine, factor), period)
        p95 = {task: ErrorMetrics.of(joined(one.errors[task] for one in found)).p95
               for task in self._engine.network_tasks}
        macs_fraction = sum(one.macs for one in found) / sum(one.dense_macs for one in found)
        return PeriodTrial(period, factor, p95, macs_fraction, max(p95.values()) <= self._target)


_MOST_NAMES = 3


def listed(names: Sequence[str]) -> str:
    """Return the names of recordings as text, not more than a few."""
    more = len(names) - _MOST_NAMES
    return ', '.join(names[:_MOST_NAMES]) + (f' and {more} more' if more > 0 else '')


def _fault_of(images: Sequence[np.ndarray]) -> str:
    """Return why frames cannot be calibrated on: too few, or all equal; '' where they can."""
    if len(images) < FEWEST_FRAMES:
        return (f'{len(images)} frames are too few to calibrate on; at least {FEWEST_FRAMES} that '
                'follow each other are needed')
    if all(np.array_equal(images[0], image) for image in images[1:]):
        return (f'all {len(images)} frames are equal, so every threshold would keep the target; '
                'record a camera at work, in a scene that moves')
    return ''


def _sentence(
    chosen: PeriodTrial, consecutive: Mapping[str, float], target: float, source: str, count: int
) -> str:
    """Return how thresholds were calibrated and the errors with them, as text for the model."""
    reached = ', '.join(f'{task} {error:.3f} (consecutive dense frames {consecutive[task]:.3f})'
                        for task, error in chosen.errors.items())
    return (f'Relative L2 difference of the raw output to that of dense frames, 95th percentile '
            f'over {count} frames of {source}, at most {target:g}: {reached}; fast block, '
            f'round_robin refresh, period {chosen.refresh_period}; '
            f'{chosen.macs_fraction:.0%} of the work of dense frames.')
