"""How long things take on this machine."""

from dataclasses import dataclass, field
import time
from typing import Any, Callable, Sequence

import numpy as np

from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.prediction import FrameStats, InferenceSettings


@dataclass(frozen=True)
class Times:
    """Milliseconds of one thing done many times."""

    p50: float
    p95: float
    p99: float
    mean: float
    count: int

    @classmethod
    def of(cls, milliseconds: Sequence[float]) -> 'Times':
        """Return the percentiles of single times; there must be at least one."""
        p50, p95, p99 = np.percentile(milliseconds, (50, 95, 99))
        mean = float(np.mean(milliseconds))
        return cls(float(p50), float(p95), float(p99), mean, len(milliseconds))


@dataclass(frozen=True)
class EngineTimes:
    """What one frame costs with a set of tasks: in all, and by stage."""

    tasks: tuple[str, ...]
    total: Times
    stages: dict[str, Times] = field(default_factory=dict)


def task_subsets(tasks: Sequence[str]) -> list[tuple[str, ...]]:
    """Return each task alone, and all together where there is more than one."""
    alone: list[tuple[str, ...]] = [(task,) for task in tasks]
    return alone + ([tuple(tasks)] if len(tasks) > 1 else [])


def time_engine(
    engine: Engine,
    images: Sequence[np.ndarray],
    *,
    rounds: int,
    progress: Callable[[int], None] | None = None,
) -> list[EngineTimes]:
    """
    Time the engine over (H, W, 3) uint8 images with every subset of tasks.

    The subsets take turns on the same image, so that what else the machine does meets all alike.
    A round is every image with every subset; each subset runs once before, uncounted.
    """
    subsets = [InferenceSettings(tasks) for tasks in task_subsets(engine.tasks)]
    stats: list[list[FrameStats]] = [[] for _ in subsets]
    for settings in subsets:
        engine.infer(images[0], None, settings)
    done = 0
    for _ in range(rounds):
        for image in images:
            for number, settings in enumerate(subsets):
                stats[number].append(engine.infer(image, None, settings).stats)
            done += 1
            if progress is not None:
                progress(done)
    return [_summarise(settings.tasks, found) for settings, found in zip(subsets, stats)]


def frames_per_second(make_frame: Callable[[int], Any], count: int) -> float:
    """Return how many frames 1, 2, ... ``count`` a second gives; frame 0 comes first, untimed."""
    make_frame(0)
    start = time.perf_counter()
    for number in range(1, count + 1):
        make_frame(number)
    return count / (time.perf_counter() - start)


def _summarise(tasks: tuple[str, ...], stats: list[FrameStats]) -> EngineTimes:
    stages = {stage: Times.of([item.stage_ms[stage] for item in stats])
              for stage in stats[0].stage_ms}
    return EngineTimes(tasks, Times.of([item.total_ms for item in stats]), stages)
