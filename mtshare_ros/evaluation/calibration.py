"""Calibrate thresholds so that they add at most a given error to the outputs of a model."""

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Callable, Mapping, Sequence

from mtshare_ros.config import require
from mtshare_ros.errors import ConfigError
from mtshare_ros.evaluation.output_error import (
    compare,
    Comparison,
    noise_response,
    UngatedReference,
)
from mtshare_ros.evaluation.room_data import RenderedClip
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
    architecture: ArchitectureConfig, tasks: Sequence[str], clips: Sequence[RenderedClip],
    held_out: Sequence[RenderedClip],
) -> int:
    """Return the largest number of frames that ``calibrate`` may compute."""
    searches = len(tasks) + len(_with_own_blocks(architecture, tasks))
    noise = 2 * sum(len(clip.again) for clip in clips)
    return noise + (1 + searches * STEPS + 3) * _frames(clips) + 3 * _frames(held_out)


def calibrate(
    engine: Engine, clips: Sequence[RenderedClip], held_out: Sequence[RenderedClip],
    settings: CalibrationSettings, progress: Callable[[int], None] = lambda done: None,
) -> Calibration:
    """
    Find the largest thresholds with which the p95 error of every task is within what is allowed.

    The temporal thresholds come first, task by task and without reuse, then the thresholds for
    reusing updates of the base task. Each search finds one number for all blocks, because
    thresholds are relative to the spread of the tokens in each block; temporal thresholds are that
    number times ``block_profile``. At the end all tasks run together, over ``clips`` and over
    ``held_out``; ``progress`` is called with the number of frames done. Raises ConfigError where
    even the smallest threshold exceeds the target.
    """
    done = _Done(progress)
    noise = noise_response(engine, clips, done.tick)
    thresholds = _Search(engine, clips, settings, noise, done).run()
    calibrated = engine.with_thresholds(thresholds)
    found = compare(calibrated, clips, settings.sharing, done.tick)
    check = compare(calibrated, held_out, settings.sharing, done.tick)
    result = Calibration(thresholds, noise, found, check, '')
    return replace(result, sentence=_sentence(settings, result, clips, held_out))


class _Search:
    """Searches the thresholds of an engine, for one task and one kind of gate after another."""

    def __init__(
        self, engine: Engine, clips: Sequence[RenderedClip], settings: CalibrationSettings,
        noise: Mapping[str, float], done: '_Done',
    ) -> None:
        self._engine = engine
        self._settings = settings
        self._noise = noise
        self._done = done
        self._reference = UngatedReference(engine, clips, settings.sharing, done.tick)
        self._shape = engine.description.architecture
        none = (0.0,) * self._shape.depth
        self._thresholds = {task: TaskThresholds(none, none) for task in engine.network_tasks}
        self._first = {'temporal': FIRST, 'task': FIRST}

    def run(self) -> dict[str, TaskThresholds]:
        """Return the thresholds of every task."""
        reusing = _with_own_blocks(self._shape, self._engine.network_tasks)
        share = self._settings.temporal_share
        for task in self._engine.network_tasks:
            self._settle(task, 'temporal', share if task in reusing else 1.0)
        for task in reusing:
            self._settle(task, 'task', 1.0)
        return self._thresholds

    def _settle(self, task: str, kind: str, share: float) -> None:
        allowed = share * self._settings.allowed(self._noise[task])
        self._done.begin()
        found = largest_within(
            lambda value: self._error(task, kind, value), allowed,
            first=self._first[kind], low=SMALLEST, high=LARGEST, steps=STEPS)
        self._done.end(STEPS * _frames(self._reference.clips))
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
        sharing = replace(self._settings.sharing, task=kind == 'task')
        engine = self._engine.with_thresholds(trial)
        return self._reference.added_by(engine, task, sharing, self._done.tick).p95

    def _with(self, task: str, kind: str, value: float) -> TaskThresholds:
        prefix, depth = self._shape.shared_depth, self._shape.depth
        if kind == 'temporal':
            temporal = tuple(round(value * weight, 4) for weight in block_profile(depth))
            return replace(self._thresholds[task], temporal=temporal)
        return replace(self._thresholds[task],
                       task=(0.0,) * prefix + (round(value, 4),) * (depth - prefix))


class _Done:
    """Counts frames for a progress bar; a search that ends early counts as a full one."""

    def __init__(self, report: Callable[[int], None]) -> None:
        self._report = report
        self._frames = self._start = 0

    def tick(self) -> None:
        """Count a frame."""
        self._frames += 1
        self._report(self._frames)

    def begin(self) -> None:
        """Remember the count at which a search begins."""
        self._start = self._frames

    def end(self, frames: int) -> None:
        """Set the count to that at the beginning of the search plus ``frames``."""
        self._frames = self._start + frames
        self._report(self._frames)


def _frames(clips: Sequence[RenderedClip]) -> int:
    return sum(len(clip.images) for clip in clips)


def _with_own_blocks(shape: ArchitectureConfig, tasks: Sequence[str]) -> tuple[str, ...]:
    return tuple(tasks[1:]) if shape.shared_depth < shape.depth else ()


def _sentence(
    settings: CalibrationSettings, result: Calibration, clips: Sequence[RenderedClip],
    held_out: Sequence[RenderedClip],
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
        f'output: {reached}; {_described(clips)}; other rooms: {_described(held_out)}; '
        f'{sharing.block} block, {sharing.policy} refresh, period {sharing.refresh_period}.')


def _described(clips: Sequence[RenderedClip]) -> str:
    seeds = [clip.spec.seed for clip in clips]
    motions = Counter(clip.spec.motion for clip in clips)
    named = ', '.join(f'{count} {motion}' for motion, count in motions.items())
    return (f'{len(clips)} clips of {len(clips[0].images)} frames, rooms {min(seeds)} to '
            f'{max(seeds)} ({named})')
