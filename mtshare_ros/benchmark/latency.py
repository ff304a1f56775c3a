"""The engine's times with and without a latency target when few or many patches change."""

from dataclasses import dataclass, field, replace
from typing import Callable, Iterator

import numpy as np

from mtshare_ros.benchmark.contenders import EngineContender
from mtshare_ros.benchmark.timing import Times
from mtshare_ros.data.rooms.streams import STREAMS
from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.prediction import InferenceSettings, Prediction
from mtshare_ros.sharing.sharing_settings import SharingSettings

CYCLE = 50
QUIET, MIDDLE, EVENT = 0.03, 0.3, 0.88
"""Shares of the patches that change; an event is below the share that counts as a scene cut."""

_EVENT_FROM, _MIDDLE_FROM, _QUIET_FROM = 20, 26, 32
_WARM_UP = 16
_NOISE = 2.0


@dataclass(frozen=True)
class LatencyRun:
    """
    One run over frames of which few or many patches change.

    ``misses`` is the share of frames above the target, ``computed`` the mean share of tokens that
    entered the network, ``oldest_age`` the greatest age of any token in frames.
    """

    ms: Times
    worst_ms: float
    misses: float
    computed: float
    oldest_age: int


@dataclass(frozen=True)
class LatencyReport:
    """
    The times of the engine with and without a latency target.

    ``dense_ms`` is the median time of a dense frame, ``runs`` has the keys threshold and target.
    """

    target_ms: float
    frames: int
    dense_ms: float
    runs: dict[str, LatencyRun]


@dataclass
class _Record:
    contender: EngineContender
    milliseconds: list[float] = field(default_factory=list)
    entered: list[float] = field(default_factory=list)
    ages: list[int] = field(default_factory=list)

    def add(self, prediction: Prediction) -> None:
        stats = prediction.stats
        self.milliseconds.append(stats.total_ms)
        self.entered.append(stats.input_fraction)
        self.ages.append(max(stats.oldest_age.values()))

    def summary(self, target_ms: float) -> LatencyRun:
        times = self.milliseconds
        missed = sum(value > target_ms for value in times)
        return LatencyRun(Times.of(times), max(times), missed / len(times),
                           float(np.mean(self.entered)), max(self.ages))


def time_latency(
    engine: Engine, sharing: SharingSettings, target_ms: float, frames: int,
    progress: Callable[[int], None] | None = None,
) -> LatencyReport:
    """
    Time the engine with and without the target, which take turns on the same frames.

    In most frames little changes; once in ``CYCLE`` frames an event changes most patches for a few
    frames. The first frames are not counted.
    """
    # no frame counts as a scene cut, so that the target alone decides how much a frame computes
    shared = replace(sharing, scene_cut_fraction=1.0)
    records = {
        'threshold': _Record(_contender(engine, replace(shared, latency_target_ms=0.0))),
        'target': _Record(_contender(engine, replace(shared, latency_target_ms=target_ms))),
    }
    dense = _Record(_contender(engine, replace(shared, temporal=False, task=False)))
    images = swinging_frames(engine.input_size, frames + _WARM_UP,
                             engine.description.architecture.patch_size)
    for number, image in enumerate(images):
        for record in records.values():
            prediction = record.contender.run(image)
            if number >= _WARM_UP:
                record.add(prediction)
        if number < _WARM_UP:
            dense.add(dense.contender.run(image))
        if progress is not None:
            progress(number + 1 - _WARM_UP)
    return LatencyReport(
        target_ms, frames, Times.of(dense.milliseconds).p50,
        {name: record.summary(target_ms) for name, record in records.items()})


def demand(number: int) -> float:
    """Return the share of patches that change in a frame, by its place in the cycle."""
    place = number % CYCLE
    if _EVENT_FROM <= place < _MIDDLE_FROM:
        return EVENT
    return MIDDLE if _MIDDLE_FROM <= place < _QUIET_FROM else QUIET


def swinging_frames(
    size: tuple[int, int], count: int, patch_size: int
) -> Iterator[np.ndarray]:
    """Yield (H, W, 3) uint8 frames of a room; ``demand`` of its patches change brightness."""
    stream = STREAMS['static']
    room = stream.video(stream.seeds[0], height=size[0], width=size[1]).frame(0).image
    random = np.random.default_rng(0)
    for number in range(count):
        shown = room + random.normal(0.0, _NOISE, room.shape)
        _disturb(shown, demand(number), patch_size, random)
        yield shown.round().clip(0, 255).astype(np.uint8)


def _disturb(
    image: np.ndarray, share: float, side: int, random: np.random.Generator
) -> None:
    """
    Shift the brightness of the first patches, in raster order, each by a random amount.

    ``share`` is the share of patches, ``side`` the side of one in pixels.
    """
    rows, columns = image.shape[0] // side, image.shape[1] // side
    for patch in range(round(share * rows * columns)):
        top, left = (place * side for place in divmod(patch, columns))
        image[top:top + side, left:left + side] += random.uniform(-90, 90)


def _contender(engine: Engine, sharing: SharingSettings) -> EngineContender:
    return EngineContender('latency', engine, InferenceSettings(engine.tasks, sharing))
