"""The benchmark's report, computed from what the race recorded."""

from dataclasses import dataclass
import math
from typing import Callable, Iterable, Mapping, Sequence

import numpy as np
import torch

from mtshare_ros.benchmark.bench_plan import LONGEST_PERIOD
from mtshare_ros.benchmark.race import ContenderRecord, ReferenceLog, RunOptions
from mtshare_ros.benchmark.timing import Times
from mtshare_ros.data.rooms.room_frame import RoomFrame
from mtshare_ros.evaluation.flicker import Correspondence
from mtshare_ros.evaluation.scorer import delta_m, Metrics
from mtshare_ros.image_frame import frame_to_cover
from mtshare_ros.inference.postprocess import decode
from mtshare_ros.inference.prediction import FrameStats, Prediction

SPEED_BASELINES = ('independent', 'shared_encoder', 'dense', 'prefix', 'single')
"""The speed of each contender is given relative to those of these that ran."""


@dataclass(frozen=True)
class ContenderReport:
    """
    What one contender reached over all counted frames.

    ``ratio``: how many times faster it is than each of SPEED_BASELINES, by medians; by means where
    there is a ``period``, because most of those frames cost next to nothing. ``active_fraction``:
    tokens computed, as a share of those of a dense frame; ``macs_fraction``: multiply-accumulates,
    likewise (requested tasks, shared blocks counted once), ``macs_fraction_p95``: their 95th
    percentile over frames. ``difference``: relative L2 distance of the raw outputs to the dense
    ones, mean over frames and tasks; ``difference_clean``: the distance to the dense outputs of
    frames without noise, above 0 even for ``prefix``. ``delta_m`` (%) is relative to ``dense``.
    ``flicker``: change of the maps from frame to frame where the truth does not change, by task in
    ``flicker.UNITS``. ``every``: run on every n-th frame only. ``period``: frames from one dense
    frame to the next, where maps are held or moved in between. ``ways``: share of frames by how
    they were computed, where the camera's motion is estimated.
    """

    form: str
    ms: Times
    ratio: dict[str, float]
    active_fraction: float | None
    macs_fraction: float | None
    reused_fraction: float | None
    input_fraction: float | None
    dense_frames: float | None
    difference: float | None
    differences: dict[str, float]
    difference_clean: float | None
    differences_clean: dict[str, float]
    metrics: Metrics | None
    delta_m: float | None
    every: int = 1
    period: int | None = None
    stage_ms: dict[str, float] | None = None
    macs_fraction_p95: float | None = None
    flicker: dict[str, float] | None = None
    ways: dict[str, float] | None = None


@dataclass(frozen=True)
class ContenderSource:
    """A contender's record, and how the contender ran."""

    record: ContenderRecord
    form: str
    every: int = 1
    period: int | None = None
    shares: bool = False
    """Whether the statistics of its frames count tokens and multiply-accumulates."""


def make_reports(
    sources: Mapping[str, ContenderSource], *, same_as: Mapping[str, str] | None = None
) -> dict[str, ContenderReport]:
    """
    Return the report of every contender by name.

    ``same_as`` maps a contender to one that computes the same function and was scored on more
    frames: the metrics of the latter are reported for both. ``delta_m`` is relative to ``dense``,
    or to ``prefix`` where ``dense`` has no metrics.
    """
    metrics = {name: source.record.results() for name, source in sources.items()}
    for name, twin in (same_as or {}).items():
        metrics[name] = metrics.get(twin)
    times = {name: Times.of(source.record.milliseconds) for name, source in sources.items()}
    baseline = metrics.get('dense') or metrics.get('prefix')
    return {name: _report(source, times, name, metrics[name], baseline)
            for name, source in sources.items()}


def _report(
    source: ContenderSource, times: Mapping[str, Times], name: str, metrics: Metrics | None,
    baseline: Metrics | None,
) -> ContenderReport:
    record = source.record
    stats = record.stats if source.shares else []
    differences, clean = _means(record.differences), _means(record.clean_differences)
    change = None
    if metrics is not None and baseline is not None and set(metrics) == set(baseline):
        change = delta_m(metrics, baseline)
    return ContenderReport(
        form=source.form, ms=times[name], ratio=_ratios(name, times, source.period is not None),
        active_fraction=_mean(stats, lambda item: item.active_fraction),
        macs_fraction=_mean(stats, lambda item: item.macs / item.dense_macs),
        reused_fraction=_mean(stats, reused_fraction),
        input_fraction=_mean(stats, lambda item: item.input_fraction),
        dense_frames=_mean(stats, lambda item: float(item.dense)),
        difference=_mean_of(differences), differences=differences,
        difference_clean=_mean_of(clean), differences_clean=clean,
        metrics=metrics, delta_m=change, every=source.every, period=source.period,
        stage_ms=_stages(stats), macs_fraction_p95=_most_macs(stats),
        flicker=record.flicker.result() if record.flicker else None,
        ways=_ways(stats))


def reused_fraction(stats: FrameStats) -> float:
    """Return the share of tokens that reused the base task's update, over tasks and blocks."""
    values = [value for blocks in stats.reused.values() for value in blocks]
    return float(np.mean(values)) if values else 0.0


def _mean(stats: Sequence[FrameStats], value: Callable[[FrameStats], float]) -> float | None:
    return float(np.mean([value(item) for item in stats])) if stats else None


def _most_macs(stats: Sequence[FrameStats]) -> float | None:
    return float(np.percentile([item.macs / item.dense_macs for item in stats], 95)
                 ) if stats else None


def _ways(stats: Sequence[FrameStats]) -> dict[str, float] | None:
    ways = [item.motion.mode for item in stats if item.motion is not None]
    return {way: ways.count(way) / len(ways) for way in sorted(set(ways))} or None


def _means(found: Mapping[str, Sequence[float]]) -> dict[str, float]:
    return {task: float(np.mean(values)) for task, values in found.items()}


def _mean_of(values: Mapping[str, float]) -> float | None:
    return float(np.mean(list(values.values()))) if values else None


def _stages(stats: Sequence[FrameStats]) -> dict[str, float] | None:
    if not stats:
        return None
    names = dict.fromkeys(name for item in stats for name in item.stage_ms)
    return {name: float(np.median([item.stage_ms.get(name, 0.0) for item in stats]))
            for name in names}


def _ratios(name: str, times: Mapping[str, Times], by_means: bool) -> dict[str, float]:
    own = times[name].mean if by_means else times[name].p50
    return {baseline: (times[baseline].mean if by_means else times[baseline].p50) / own
            for baseline in SPEED_BASELINES if baseline in times and baseline != name and own > 0}


TRIAL_PERIOD = 4
TRIAL_FRAMES = 32
"""In the trial run that measures costs: the period of the carried contenders, and the frames."""


def equal_period(carried: ContenderRecord, baseline: ContenderRecord) -> int:
    """
    Return the n at which computing every n-th frame costs what the baseline costs on average.

    It is between 1 and LONGEST_PERIOD and rounded down, so that the carried contender never costs
    less than the baseline. ``carried`` must hold both kinds of frames: some that its network
    computed and some whose maps were moved.
    """
    times = np.asarray(carried.milliseconds)
    computed = np.array([stats.dense for stats in carried.stats])
    between = float(times[~computed].mean())
    network = float(times[computed].mean()) - between
    spare = float(np.mean(baseline.milliseconds)) - between
    # a frame costs between + network / n on average; the n at which that is the baseline's mean
    if spare * LONGEST_PERIOD <= network:
        return LONGEST_PERIOD
    return max(1, math.floor(network / spare))


_NOTHING = FrameStats(0.0)


def hold_period(dense_ms: float, baseline_ms: float) -> int:
    """
    Return the n at which one dense frame in n costs at least ``baseline_ms`` a frame.

    It is rounded down, and at least 1, so that holding maps is never shown as cheaper than it is.
    """
    return max(1, math.floor(dense_ms / baseline_ms))


def hold(
    log: ReferenceLog, period: int, record: ContenderRecord, options: RunOptions,
    rooms: Iterable[Sequence[RoomFrame]] | None, encodings: Mapping[str, str] | None = None,
) -> None:
    """
    Record a contender that shows each ``period``-th dense frame until the next one.

    Its maps are decoded from the raw outputs in the log, so no network runs again. ``rooms`` are
    the frames of the run, for the metrics; None leaves the metrics out. ``encodings`` are those of
    the raw outputs by task, where they differ from the default.
    """
    frames = None if rooms is None else iter(rooms)
    number = 0
    for raws, cleans, times in zip(log.rooms, log.clean, log.milliseconds):
        truths = None if frames is None else next(frames)
        held: dict[str, torch.Tensor] = {}
        number += options.warm_up
        for place, raw in enumerate(raws):
            fresh = place % period == 0
            held = raw if fresh else held
            record.add_time(times[place] if fresh else 0.0, _NOTHING)
            record.compare(held, raw)
            record.compare_clean(held, cleans[place])
            if truths is not None:
                truth = truths[options.warm_up + place]
                same = None if place == 0 else Correspondence.between(
                    truths[options.warm_up + place - 1], truth)
                record.add_maps(_maps(held, truth.image, encodings or {}), truth, same,
                                scored=number % options.score_every == 0)
            number += 1


def _maps(
    raw: dict[str, torch.Tensor], image: np.ndarray, encodings: Mapping[str, str]
) -> Prediction:
    size = (image.shape[0], image.shape[1])
    maps = {name: value for task, output in raw.items()
            for name, value in decode(task, output, size, encodings.get(task, '')).items()}
    return Prediction.from_maps(frame_to_cover(size, size), _NOTHING, maps)
