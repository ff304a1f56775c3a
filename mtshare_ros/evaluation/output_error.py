"""How much the raw outputs of an engine that shares differ from others of the same network."""

from dataclasses import dataclass, replace
from typing import Callable, Iterator, Mapping, Sequence

import numpy as np
import torch

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


@dataclass(frozen=True)
class FrameOutputs:
    """The raw outputs (1, C, H/4, W/4) of one frame by task, and its statistics."""

    raw: Mapping[str, torch.Tensor]
    stats: FrameStats


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
    engine: Engine, clip: RenderedClip, tasks: tuple[str, ...], sharing: SharingSettings,
    tick: Callable[[], None],
) -> Iterator[FrameOutputs]:
    """Run an engine over a clip; each output is valid until the next one is yielded."""
    session, settings = engine.new_session(), InferenceSettings(tasks, sharing)
    tasks = settings.tasks
    for image in clip.images:
        stats = engine.infer(image, session, settings).stats
        tick()
        yield FrameOutputs({task: engine.raw(session, task) for task in tasks}, stats)


class UngatedReference:
    """The raw outputs for some clips of sharing without thresholds, kept on the CPU."""

    def __init__(
        self, engine: Engine, clips: Sequence[RenderedClip], sharing: SharingSettings,
        tick: Callable[[], None],
    ) -> None:
        self.clips = tuple(clips)
        engine, sharing = without_thresholds(engine), gated(sharing)
        self._raw = [
            [{task: raw.float().cpu().clone() for task, raw in frame.raw.items()}
             for frame in outputs(engine, clip, engine.network_tasks, sharing, tick)]
            for clip in self.clips]

    def added_by(
        self, engine: Engine, task: str, sharing: SharingSettings, tick: Callable[[], None],
    ) -> ErrorMetrics:
        """
        Return the error that the thresholds of an engine add to a task.

        The task runs alone, or together with the base task where it may reuse its updates.
        """
        tasks = (engine.network_tasks[0], task) if sharing.task else (task,)
        errors = []
        for clip, references in zip(self.clips, self._raw):
            frames = outputs(engine, clip, tasks, gated(sharing), tick)
            found = [relative_error(frame.raw[task], reference[task])
                     for frame, reference in zip(frames, references)]
            errors += found[1:]
        return ErrorMetrics.of(errors)


def compare(
    engine: Engine, clips: Sequence[RenderedClip], sharing: SharingSettings,
    tick: Callable[[], None],
) -> Comparison:
    """Compare three runs frame by frame: with an engine's thresholds, without them, and dense."""
    none, sharing, tasks = without_thresholds(engine), gated(sharing), engine.network_tasks
    errors: dict[str, tuple[list[float], ...]] = {task: ([], [], []) for task in tasks}
    done = dense = 0
    for clip in clips:
        frames = zip(outputs(engine, clip, tasks, sharing, tick),
                     outputs(none, clip, tasks, sharing, tick),
                     outputs(engine, clip, tasks, DENSE, tick))
        for number, (ours, ungated, full) in enumerate(frames):
            if number == 0:
                continue
            done, dense = done + ours.stats.macs, dense + ours.stats.dense_macs
            for task, (added, total, without) in errors.items():
                added.append(relative_error(ours.raw[task], ungated.raw[task]))
                total.append(relative_error(ours.raw[task], full.raw[task]))
                without.append(relative_error(ungated.raw[task], full.raw[task]))
    return Comparison({task: TaskErrors(*map(ErrorMetrics.of, found))
                       for task, found in errors.items()}, done / dense)


def noise_response(
    engine: Engine, clips: Sequence[RenderedClip], tick: Callable[[], None]
) -> dict[str, float]:
    """Return by task how much dense outputs differ between two draws of the sensor's noise."""
    errors: dict[str, list[float]] = {task: [] for task in engine.network_tasks}
    for clip in clips:
        first = replace(clip, images=clip.images[::NOISE_STEP])
        second = replace(clip, images=clip.again)
        for one, other in zip(outputs(engine, first, engine.network_tasks, DENSE, tick),
                              outputs(engine, second, engine.network_tasks, DENSE, tick)):
            for task, found in errors.items():
                found.append(relative_error(other.raw[task], one.raw[task]))
    return {task: float(np.mean(found)) for task, found in errors.items()}
