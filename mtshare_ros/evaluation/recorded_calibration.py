"""Choose the refresh period and thresholds of a model on a user's own recordings."""

from dataclasses import dataclass, replace
from typing import Callable, Iterator, Mapping, Sequence

import numpy as np
import torch

from mtshare_ros.config import require
from mtshare_ros.errors import ConfigError, DatasetError
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


class RecordingMeter:
    """
    Measures on one recording how much sharing changes the raw outputs.

    ``images`` (H, W, 3) uint8 are its consecutive frames, ``source`` is its name. Dense outputs
    are computed once and kept on the CPU. ``tick`` is called after each frame.
    """

    def __init__(
        self, engine: Engine, images: Sequence[np.ndarray], source: str, tick: Tick
    ) -> None:
        self._engine, self._images, self._source, self._tick = engine, images, source, tick
        self._dense: list[dict[str, torch.Tensor]] = []

    def check(self) -> int:
        """Return the number of frames; raise DatasetError for too few of them or equal ones."""
        _check(self._images, self._source)
        return len(self._images)

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

    def _run(self, engine: Engine, sharing: SharingSettings) -> Iterator[FrameOutputs]:
        return outputs(engine, self._images, engine.network_tasks, sharing, self._tick)


def calibrate_recorded(
    engine: Engine, sources: Sequence[str], target_error: float, spread: Spread,
    progress: Callable[[int], None] = lambda done: None,
) -> RecordedCalibration:
    """
    Find the refresh period and factor on thresholds that keep a target error at the least cost.

    The error of a task is the 95th percentile over the frames of all recordings together, each of
    which is computed in a session of its own and whose first frame does not count; a recording of
    more frames has more weight. ``spread`` measures with a RecordingMeter for each of the
    ``sources``, the names of the recordings. ``progress`` is called with the number of frames
    done. Raises DatasetError for a recording of too few frames or of equal ones, ConfigError where
    no trial keeps the target.
    """
    require(0 < target_error < 1, 'target_error', target_error,
            'above 0 and below 1, such as 0.05')
    search = _Search(engine, len(sources), target_error, CountedSpread(spread, progress))
    trials = tuple(search.try_period(period) for period in PERIODS)
    within = [trial for trial in trials if trial.within]
    if not within:
        best = min(trials, key=lambda trial: max(trial.errors.values()))
        raise ConfigError(
            f'target_error is {target_error:g}; on {listed(sources)} the least that was reached '
            f'is {max(best.errors.values()):.3f}, with a refresh period of {best.refresh_period}; '
            'ask for at least that')
    chosen = min(within, key=lambda trial: trial.macs_fraction)
    return RecordedCalibration(
        trials, chosen, search.consecutive, scaled(engine, chosen.factor),
        _sentence(chosen, search.consecutive, target_error, listed(sources), search.frames))


def scaled(engine: Engine, factor: float) -> dict[str, TaskThresholds]:
    """Return an engine's thresholds, the temporal ones multiplied by a factor."""
    return {task: replace(known, temporal=tuple(
        round(value * factor, 4) for value in known.temporal))
        for task, known in engine.thresholds.items()}


class _Search:
    """Searches factors on the thresholds of an engine; ``frames`` are those of all recordings."""

    def __init__(
        self, engine: Engine, recordings: int, target: float, counted: CountedSpread
    ) -> None:
        self._engine, self._target, self._counted = engine, target, counted
        self._recordings = range(recordings)
        self.frames = sum(counted.measure(self._recordings, 0, RecordingMeter.check))
        found = counted.measure(self._recordings, self.frames, RecordingMeter.prepare)
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
            self._recordings, self.frames, RecordingMeter.measure,
            scaled(self._engine, factor), period)
        p95 = {task: ErrorMetrics.of(joined(one.errors[task] for one in found)).p95
               for task in self._engine.network_tasks}
        macs_fraction = sum(one.macs for one in found) / sum(one.dense_macs for one in found)
        return PeriodTrial(period, factor, p95, macs_fraction, max(p95.values()) <= self._target)


_MOST_NAMES = 3


def listed(sources: Sequence[str]) -> str:
    """Return the names of recordings, not more than a few."""
    more = len(sources) - _MOST_NAMES
    return ', '.join(sources[:_MOST_NAMES]) + (f' and {more} more' if more > 0 else '')


def _check(images: Sequence[np.ndarray], source: str) -> None:
    """Raise DatasetError for too few frames, or for frames that are all equal."""
    if len(images) < FEWEST_FRAMES:
        raise DatasetError(f'{source}: {len(images)} frames are too few to calibrate on; at least '
                           f'{FEWEST_FRAMES} that follow each other are needed')
    if all(np.array_equal(images[0], image) for image in images[1:]):
        raise DatasetError(f'{source}: all {len(images)} frames are equal, so every threshold '
                           'would keep the target; record a camera at work, in a scene that moves')


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
