"""Calibrate thresholds so that they add at most a given error to the outputs of a model."""

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Callable, Mapping, Sequence

import numpy as np

from mtshare_ros.config import require
from mtshare_ros.errors import ConfigError
from mtshare_ros.evaluation.measurements import CountedSpread, Spread
from mtshare_ros.evaluation.output_error import ClipMeter, Comparison, ErrorMetrics, joined
from mtshare_ros.evaluation.room_data import CalibrationClips, ClipSpec
from mtshare_ros.evaluation.search import largest_within
from mtshare_ros.inference.engine import Engine
from mtshare_ros.model.architecture import ArchitectureConfig
from mtshare_ros.model.description import block_profile, TaskThresholds
from mtshare_ros.sharing.sharing_settings import SharingSettings

SMALLEST, FIRST, LARGEST = 1 / 256, 0.15, 1.0
"""The smallest, first and largest threshold tried, in units of the spread of the gated tokens."""

STEPS = 6
"""Most measurements of one search; three or four usually suffice."""


@dataclass(frozen=True)
class CalibrationSettings:
    """
    The error that thresholds may cause, and what is shared while it is measured.

    ``target_error`` is the 95th percentile over frames of the error that thresholds may add to a
    task's raw output; where the sensor's noise alone changes the output more, that much is
    allowed. ``temporal_share`` is the part of the error that temporal gates may cause in a task
    that also reuses updates of the base task; reuse may cause the rest. ``sharing`` has the block,
    the policy and the period of refreshes that the thresholds are calibrated for.
    """

    target_error: float = 0.05
    temporal_share: float = 0.75
    sharing: SharingSettings = field(default_factory=SharingSettings)

    def __post_init__(self) -> None:
        """Raise ConfigError for a value out of range."""
        require(0 < self.target_error < 1, 'target_error', self.target_error,
                'above 0 and below 1, such as 0.05')
        require(0 < self.temporal_share < 1, 'temporal_share', self.temporal_share,
                'above 0 and below 1')

    def allowed(self, noise: float) -> float:
        """Return the error that a task may have if noise alone changes its output by ``noise``."""
        return max(self.target_error, noise)


@dataclass(frozen=True)
class Calibration:
    """
    The calibrated thresholds by task, and the errors of all tasks run together with them.

    ``found`` are the errors on the clips of the calibration, ``held_out`` those in other rooms.
    ``noise`` is by task how much the dense outputs for two draws of the sensor's noise differ.
    """

    thresholds: Mapping[str, TaskThresholds]
    noise: Mapping[str, float]
    found: Comparison
    held_out: Comparison
    sentence: str


def count_frames(
    architecture: ArchitectureConfig, tasks: Sequence[str], clips: CalibrationClips
) -> int:
    """Return the largest number of frames that ``calibrate`` may compute."""
    searches = len(tasks) + len(_with_own_blocks(architecture, tasks))
    count, held_out = len(clips.calibration), len(clips.held_out)
    return count * 2 * clips.noisy_frames + clips.frames * (
        (1 + searches * STEPS + 3) * count + 3 * held_out)


def calibrate(
    engine: Engine, clips: CalibrationClips, settings: CalibrationSettings, spread: Spread,
    progress: Callable[[int], None] = lambda done: None,
) -> Calibration:
    """
    Find the largest thresholds with which the p95 error of every task is within what is allowed.

    The temporal thresholds come first, task by task and without reuse, then the thresholds for
    reusing updates of the base task. Each search finds one number for all blocks, because
    thresholds are relative to the spread of the tokens in each block; temporal thresholds are that
    number times ``block_profile``. At the end all tasks run together, over the clips that were
    calibrated on and over those held out. ``spread`` measures on all of them, the held-out clips
    numbered after the others, with a ClipMeter of ``settings.sharing`` each. ``progress`` is
    called with the number of frames done. Raises ConfigError where even the smallest threshold
    exceeds the target.
    """
    counted = CountedSpread(spread, progress)
    count, held_out = len(clips.calibration), len(clips.held_out)
    found = counted.measure(range(count), 2 * clips.noisy_frames * count, ClipMeter.noise)
    noise = {task: float(np.mean(joined(clip[task] for clip in found)))
             for task in engine.network_tasks}
    thresholds = _Search(engine, clips, settings, noise, counted).run()
    here, elsewhere = (
        Comparison.of(counted.measure(part, 3 * clips.frames * len(part), ClipMeter.compare,
                                      thresholds))
        for part in (range(count), range(count, count + held_out)))
    result = Calibration(thresholds, noise, here, elsewhere, '')
    return replace(result, sentence=_sentence(settings, result, clips))


class _Search:
    """Searches the thresholds of an engine, for one task and one kind of gate after another."""

    def __init__(
        self, engine: Engine, clips: CalibrationClips, settings: CalibrationSettings,
        noise: Mapping[str, float], counted: CountedSpread,
    ) -> None:
        self._tasks = engine.network_tasks
        self._settings = settings
        self._noise = noise
        self._clips = range(len(clips.calibration))
        self._frames = clips.frames * len(self._clips)
        self._counted = counted
        self._shape = engine.description.architecture
        none = (0.0,) * self._shape.depth
        self._thresholds = {task: TaskThresholds(none, none) for task in self._tasks}
        self._first = {'temporal': FIRST, 'task': FIRST}

    def run(self) -> dict[str, TaskThresholds]:
        """Return the thresholds of every task."""
        self._counted.measure(self._clips, self._frames, ClipMeter.prepare)
        reusing = _with_own_blocks(self._shape, self._tasks)
        share = self._settings.temporal_share
        for task in self._tasks:
            self._settle(task, 'temporal', share if task in reusing else 1.0)
        for task in reusing:
            self._settle(task, 'task', 1.0)
        return self._thresholds

    def _settle(self, task: str, kind: str, share: float) -> None:
        allowed = share * self._settings.allowed(self._noise[task])
        start = self._counted.frames
        found = largest_within(
            lambda value: self._error(task, kind, value), allowed,
            first=self._first[kind], low=SMALLEST, high=LARGEST, steps=STEPS)
        # a search that ended early counts as a full one
        self._counted.advance_to(start + STEPS * self._frames)
        if not found.within:
            raise ConfigError(
                f'target_error is {self._settings.target_error:g}; with the smallest {kind} '
                f'threshold tried ({found.value:.4f}) the error of {task} is {found.error:.4f}, '
                f'more than the allowed {allowed:.4f}; ask for at least '
                f'{found.error / share:.3f}')
        self._thresholds[task] = self._with(task, kind, found.value)
        # the next task's threshold is probably near this one, so its search begins there
        self._first[kind] = found.value

    def _error(self, task: str, kind: str, value: float) -> float:
        trial = {**self._thresholds, task: self._with(task, kind, value)}
        errors = self._counted.measure(
            self._clips, self._frames, ClipMeter.added_by, trial, task, kind == 'task')
        return ErrorMetrics.of(joined(errors)).p95

    def _with(self, task: str, kind: str, value: float) -> TaskThresholds:
        prefix, depth = self._shape.shared_depth, self._shape.depth
        if kind == 'temporal':
            temporal = tuple(round(value * weight, 4) for weight in block_profile(depth))
            return replace(self._thresholds[task], temporal=temporal)
        return replace(self._thresholds[task],
                       task=(0.0,) * prefix + (round(value, 4),) * (depth - prefix))


def _with_own_blocks(shape: ArchitectureConfig, tasks: Sequence[str]) -> tuple[str, ...]:
    return tuple(tasks[1:]) if shape.shared_depth < shape.depth else ()


def _sentence(
    settings: CalibrationSettings, result: Calibration, clips: CalibrationClips
) -> str:
    """Return how thresholds were calibrated and the errors with them, as text for the model."""
    sharing = settings.sharing
    reached = ', '.join(
        f'{task} {result.found.errors[task].added.p95:.3f} '
        f'(other rooms {result.held_out.errors[task].added.p95:.3f}, '
        f'to dense {result.held_out.errors[task].total.p95:.3f}, noise {noise:.3f})'
        for task, noise in result.noise.items())
    return (
        f'Relative L2 error that thresholds add to the raw output, 95th percentile over frames, '
        f'at most {settings.target_error:g} or what the noise of the sensor makes of a dense '
        f'output: {reached}; {_described(clips.calibration, clips.frames)}; '
        f'other rooms: {_described(clips.held_out, clips.frames)}; '
        f'{sharing.block} block, {sharing.policy} refresh, period {sharing.refresh_period}.')


def _described(clips: Sequence[ClipSpec], frames: int) -> str:
    seeds = [clip.seed for clip in clips]
    motions = Counter(clip.motion for clip in clips)
    named = ', '.join(f'{count} {motion}' for motion, count in motions.items())
    return (f'{len(clips)} clips of {frames} frames, rooms {min(seeds)} to {max(seeds)} '
            f'({named})')
