"""Choose the refresh period and thresholds of a model on a user's own recording."""

from dataclasses import dataclass, replace
from typing import Callable, Iterator, Mapping, Sequence

import numpy as np

from mtshare_ros.config import require
from mtshare_ros.errors import ConfigError, DatasetError
from mtshare_ros.evaluation.output_error import (
    DENSE,
    ErrorMetrics,
    FrameOutputs,
    gated,
    relative_error,
)
from mtshare_ros.evaluation.search import largest_within
from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.prediction import InferenceSettings
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


def count_frames(images: Sequence[np.ndarray]) -> int:
    """Return the largest number of frames that ``calibrate_recorded`` may compute."""
    return len(images) * (1 + len(PERIODS) * STEPS)


def calibrate_recorded(
    engine: Engine, images: Sequence[np.ndarray], target_error: float, source: str,
    tick: Callable[[], None] = lambda: None,
) -> RecordedCalibration:
    """
    Find the refresh period and factor on thresholds that keep a target error at the least cost.

    ``images`` (H, W, 3) uint8 are the consecutive frames of the recording. Raises DatasetError for
    a recording of too few frames or of equal ones, ConfigError where no trial keeps the target.
    """
    require(0 < target_error < 1, 'target_error', target_error,
            'above 0 and below 1, such as 0.05')
    _check(images, source)
    search = _Search(engine, images, target_error, tick)
    trials = tuple(search.try_period(period) for period in PERIODS)
    within = [trial for trial in trials if trial.within]
    if not within:
        best = min(trials, key=lambda trial: max(trial.errors.values()))
        raise ConfigError(
            f'target_error is {target_error:g}; on {source} the least that was reached is '
            f'{max(best.errors.values()):.3f}, with a refresh period of {best.refresh_period}; '
            'ask for at least that')
    chosen = min(within, key=lambda trial: trial.macs_fraction)
    return RecordedCalibration(
        trials, chosen, search.consecutive, scaled(engine, chosen.factor),
        _sentence(chosen, search.consecutive, target_error, source, len(images)))


def scaled(engine: Engine, factor: float) -> dict[str, TaskThresholds]:
    """Return an engine's thresholds, the temporal ones multiplied by a factor."""
    return {task: replace(known, temporal=tuple(
        round(value * factor, 4) for value in known.temporal))
        for task, known in engine.thresholds.items()}


class _Search:
    """Compares frames with sharing to dense ones, which are computed once."""

    def __init__(
        self, engine: Engine, images: Sequence[np.ndarray], target: float,
        tick: Callable[[], None],
    ) -> None:
        self._engine, self._images, self._target, self._tick = engine, images, target, tick
        # half precision halves the memory; its rounding is far below any target error
        self._dense = [{task: values.half().cpu() for task, values in frame.raw.items()}
                       for frame in self._run(engine, DENSE)]
        self.consecutive = {
            task: ErrorMetrics.of([relative_error(one[task], other[task]) for one, other in
                                   zip(self._dense, self._dense[1:])]).p95
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
        sharing = gated(SharingSettings(refresh_period=period))
        engine = self._engine.with_thresholds(scaled(self._engine, factor))
        errors: dict[str, list[float]] = {task: [] for task in engine.network_tasks}
        done = dense = 0
        for number, frame in enumerate(self._run(engine, sharing)):
            if number == 0:  # the first frame is computed whole
                continue
            done, dense = done + frame.stats.macs, dense + frame.stats.dense_macs
            for task, found in errors.items():
                found.append(relative_error(frame.raw[task], self._dense[number][task]))
        p95 = {task: ErrorMetrics.of(found).p95 for task, found in errors.items()}
        return PeriodTrial(period, factor, p95, done / dense, max(p95.values()) <= self._target)

    def _run(self, engine: Engine, sharing: SharingSettings) -> Iterator[FrameOutputs]:
        """Compute the recording in one session; an output is valid until the next one."""
        session, tasks = engine.new_session(), engine.network_tasks
        settings = InferenceSettings(tasks, sharing)
        for image in self._images:
            stats = engine.infer(image, session, settings).stats
            self._tick()
            yield FrameOutputs({task: engine.raw(session, task) for task in tasks}, stats)


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
