"""The simplest competitor: a dense frame now and then, and its maps held in between."""

import math
from typing import Iterable, Mapping, Sequence

import numpy as np
import torch

from mtshare_ros.benchmark.record import SideRecord
from mtshare_ros.benchmark.run import ReferenceLog, RunOptions
from mtshare_ros.data.rooms.frame import RoomFrame
from mtshare_ros.evaluation.correspondence import Correspondence
from mtshare_ros.inference.postprocess import decode
from mtshare_ros.inference.prediction import FrameStats, Prediction
from mtshare_ros.model.framing import frame_to_cover

_NOTHING = FrameStats(0.0)


def hold_period(dense_ms: float, rival_ms: float) -> int:
    """
    Return n for which a dense frame every n frames costs no less than the rival does on average.

    Rounded down, so holding gets the benefit of what does not divide; at least 1.
    """
    return max(1, math.floor(dense_ms / rival_ms))


def hold(
    log: ReferenceLog, period: int, record: SideRecord, options: RunOptions,
    rooms: Iterable[Sequence[RoomFrame]] | None, encodings: Mapping[str, str] | None = None,
) -> None:
    """
    Record what holding every ``period``-th dense frame would have given.

    Its maps are those of the reference, some frames old, so nothing has to be run again. ``rooms``
    are the frames of the run once more, for the metrics; None leaves those out. ``encodings`` are
    those of the raw outputs by task, where one is not the usual.
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
