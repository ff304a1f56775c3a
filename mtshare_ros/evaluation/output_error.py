"""How much the raw outputs of an engine that shares differ from others of the same network."""

from dataclasses import dataclass, replace
from itertools import chain
from typing import Iterable, Iterator, Mapping, Sequence

import numpy as np
import torch

from mtshare_ros.evaluation.measurements import Tick
from mtshare_ros.evaluation.room_data import NOISE_STEP, RenderedClip
from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.prediction import FrameStats, InferenceSettings
from mtshare_ros.model.description import TaskThresholds
from mtshare_ros.sharing.sharing_settings import SharingSettings

DENSE = SharingSettings(temporal=False, task=False)


@dataclass(frozen=True)
class ErrorMetrics:
    """
    Relative L2 differences ||y - y_0|| / ||y_0|| of a task's raw outputs, summarised over frames.

    The first frame of a clip is computed whole and does not count.
    """

    p95: float
    mean: float
    frames: int

    @classmethod
    def of(cls, errors: Sequence[float]) -> 'ErrorMetrics':
        """Summarise the errors of single frames; there must be at least one."""
        return cls(float(np.percentile(errors, 95)), float(np.mean(errors)), len(errors))


@dataclass(frozen=True)
class TaskErrors:
    """
    The errors of one task's raw output with sharing.

    ``added`` is the difference to sharing without thresholds, in which a token that enters the
    network is computed in all blocks. ``total`` is the difference to dense frames. ``without`` is
    the difference of sharing without thresholds to dense frames: it comes from tokens that keep
    the noise of an earlier frame, and from their age.
    """

    added: ErrorMetrics
    total: ErrorMetrics
    without: ErrorMetrics


@dataclass(frozen=True)
class Comparison:
    """Errors by task, and the multiply-accumulates done as a share of those of dense frames."""

    errors: Mapping[str, TaskErrors]
    macs_fraction: float

    @classmethod
    def of(cls, clips: Sequence['ClipDifferences']) -> 'Comparison':
        """Summarise the errors of all frames of some clips."""
        errors = {}
        for task in clips[0].errors:
            of_clips = zip(*(clip.errors[task] for clip in clips))
            errors[task] = TaskErrors(*(ErrorMetrics.of(joined(lists)) for lists in of_clips))
        return cls(errors, sum(clip.macs for clip in clips)
                   / sum(clip.dense_macs for clip in clips))


@dataclass(frozen=True)
class FrameOutputs:
    """The raw outputs (1, C, H/4, W/4) of one frame by task, and its statistics."""

    raw: Mapping[str, torch.Tensor]
    stats: FrameStats


def joined(lists: Iterable[Sequence[float]]) -> list[float]:
    """Return the items of some lists in one."""
    return list(chain.from_iterable(lists))


def relative_error(found: torch.Tensor, expected: torch.Tensor) -> float:
    """Return ||found - expected|| / ||expected|| of two tensors of one shape, any devices."""
    expected = expected.float()
    difference = found.float().to(expected.device) - expected
    return float(torch.linalg.vector_norm(difference) / torch.linalg.vector_norm(expected))


def gated(sharing: SharingSettings) -> SharingSettings:
    """
    Return settings with which only gates and refreshes decide what a frame computes.

    No frame is whole because of a crossover, a scene cut or a latency target.
    """
    return replace(sharing, crossover=1.0, scene_cut_fraction=1.0, latency_target_ms=0.0)


def without_thresholds(engine: Engine) -> Engine:
    """Return an engine in which every token that enters is computed in all blocks."""
    none = (0.0,) * engine.description.architecture.depth
    return engine.with_thresholds(
        {task: TaskThresholds(none, none) for task in engine.network_tasks})


def outputs(
    engine: Engine, images: Sequence[np.ndarray], tasks: tuple[str, ...],
    sharing: SharingSettings, tick: Tick,
) -> Iterator[FrameOutputs]:
    """Run an engine over images in one session; an output is valid until the next one."""
    session, settings = engine.new_session(), InferenceSettings(tasks, sharing)
    tasks = settings.tasks
    for image in images:
        stats = engine.infer(image, session, settings).stats
        tick()
        yield FrameOutputs({task: engine.raw(session, task) for task in tasks}, stats)


@dataclass(frozen=True)
class ClipDifferences:
    """
    The errors in the frames of one clip by task, in the order of the fields of TaskErrors.

    ``macs`` were done of the ``dense_macs`` of dense frames. The first frame does not count.
    """

    errors: Mapping[str, tuple[list[float], ...]]
    macs: int
    dense_macs: int


class ClipMeter:
    """
    Measures on one clip how much the raw outputs of an engine differ from each other.

    What they are compared with, the outputs of sharing without thresholds, is kept on the CPU.
    ``tick`` is called after each frame.
    """

    def __init__(
        self, engine: Engine, clip: RenderedClip, sharing: SharingSettings, tick: Tick
    ) -> None:
        self._engine, self._clip, self._tick = engine, clip, tick
        self._sharing = gated(sharing)
        self._ungated: list[dict[str, torch.Tensor]] | None = None

    def noise(self) -> dict[str, list[float]]:
        """Return by task the differences of dense outputs between two draws of the noise."""
        tasks = self._engine.network_tasks
        errors: dict[str, list[float]] = {task: [] for task in tasks}
        first, second = self._clip.images[::NOISE_STEP], self._clip.again
        for one, other in zip(self._run(self._engine, first, tasks, DENSE),
                              self._run(self._engine, second, tasks, DENSE)):
            for task, found in errors.items():
                found.append(relative_error(other.raw[task], one.raw[task]))
        return errors

    def prepare(self) -> None:
        """Compute and keep what outputs are compared with."""
        engine = without_thresholds(self._engine)
        self._ungated = [
            {task: raw.float().cpu().clone() for task, raw in frame.raw.items()}
            for frame in self._run(engine, self._clip.images, engine.network_tasks, self._sharing)]

    def added_by(
        self, thresholds: Mapping[str, TaskThresholds], task: str, reuse: bool
    ) -> list[float]:
        """
        Return the errors that thresholds add to a task; the first frame does not count.

        The task runs alone, or together with the base task where it may reuse its updates.
        """
        if self._ungated is None:
            self.prepare()
        engine = self._engine.with_thresholds(thresholds)
        tasks = (engine.network_tasks[0], task) if reuse else (task,)
        frames = self._run(engine, self._clip.images, tasks, replace(self._sharing, task=reuse))
        found = [relative_error(frame.raw[task], reference[task])
                 for frame, reference in zip(frames, self._ungated or ())]
        return found[1:]

    def compare(self, thresholds: Mapping[str, TaskThresholds]) -> ClipDifferences:
        """Compare three runs frame by frame: with thresholds, without them, and dense."""
        tasks, images = self._engine.network_tasks, self._clip.images
        errors: dict[str, tuple[list[float], ...]] = {task: ([], [], []) for task in tasks}
        done = dense = 0
        runs = zip(
            self._run(self._engine.with_thresholds(thresholds), images, tasks, self._sharing),
            self._run(without_thresholds(self._engine), images, tasks, self._sharing),
            self._run(self._engine, images, tasks, DENSE))
        for number, (ours, ungated, full) in enumerate(runs):
            if number == 0:
                continue
            done, dense = done + ours.stats.macs, dense + ours.stats.dense_macs
            for task, (added, total, without) in errors.items():
                added.append(relative_error(ours.raw[task], ungated.raw[task]))
                total.append(relative_error(ours.raw[task], full.raw[task]))
                without.append(relative_error(ungated.raw[task], full.raw[task]))
        return ClipDifferences(errors, done, dense)

    def _run(
        self, engine: Engine, images: Sequence[np.ndarray], tasks: tuple[str, ...],
        sharing: SharingSettings,
    ) -> Iterator[FrameOutputs]:
        return outputs(engine, images, tasks, sharing, self._tick)
