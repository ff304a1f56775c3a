"""What a fleet keeps of the frames of a segment: counts that add up, and a picture."""

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np

from mtshare_ros.fleet.summary.comparison import Comparison
from mtshare_ros.fleet.summary.counting import (
    DEPTH,
    MILLION,
    MILLISECONDS,
    sampled,
    sparse,
    without_numbers,
)
from mtshare_ros.fleet.summary.pictures import draw_frame, small_jpeg
from mtshare_ros.inference.prediction import FrameStats, Prediction
from mtshare_ros.recording.frames import RecordedFrame
from mtshare_ros.tasks import LabelSet, UNLABELLED

LONGEST_STEP_NS = 10_000_000_000
"""A longer pause between two frames is no video."""

_SUMS = ('frames', 'video_us', 'us', 'active_ppm', 'macs', 'dense_macs', 'non_finite_frames',
         'invalid_depth_pixels')
_MOST_KEPT = 8


class SegmentSummary:
    """
    Counts what the maps of one segment hold and what they cost.

    ``values`` returns a dict of whole numbers and further such dicts, which ``merge`` adds up:

    * ``frames``; ``video_us``, the time that they cover; ``us``, their computing time, and its
      histogram ``ms`` in MILLISECONDS
    * ``active_ppm``, the sum over frames of the share of computed tokens; ``macs``, ``dense_macs``
    * ``resets`` by reason, with N in place of numbers; ``non_finite`` by task, and
      ``non_finite_frames``
    * ``class_pixels`` by class id, and ``unlabelled_pixels``
    * ``depth_pixels``, a histogram in DEPTH, and ``invalid_depth_pixels``; a relative depth has no
      unit and is not counted
    * ``comparison`` of two models, see ``Comparison.values``

    Pixels are those of every n-th row and column, see ``sampled``.
    """

    def __init__(self, labels: LabelSet, comparison: Comparison | None = None) -> None:
        self._labels = labels
        self._sums = Counter(dict.fromkeys(_SUMS, 0))
        self._counts: dict[str, Counter[str]] = {'ms': Counter(), 'resets': Counter(),
                                                 'non_finite': Counter()}
        self._classes = np.zeros(UNLABELLED + 1, np.int64)
        self._depth = np.zeros(DEPTH.count + 2, np.int64)
        self._last_ns: int | None = None
        self._steps = 0
        self._middle = _MiddleFrame()
        self._comparison = comparison
        if comparison is not None:
            comparison.begin()

    def see(self, frame: RecordedFrame, prediction: Prediction) -> None:
        """Count one frame."""
        self._count_time(frame.time_ns)
        self._count_stats(prediction.stats)
        if prediction.mask is not None:
            self._classes += np.bincount(sampled(prediction.mask), minlength=UNLABELLED + 1)
        if prediction.depth is not None:
            self._count_depth(sampled(prediction.depth))
        self._middle.see(prediction)
        if self._comparison is not None:
            self._comparison.see(frame, prediction)

    def values(self) -> dict[str, Any]:
        """Return the counts, for JSON and for ``merge``."""
        classes = sparse(self._classes)
        unlabelled = classes.pop(str(UNLABELLED), 0)
        # the first frame lasts as long as the others on average
        video_us = self._sums['video_us']
        video_us += video_us // self._steps if self._steps else 0
        values = {**self._sums, 'video_us': video_us, 'unlabelled_pixels': unlabelled,
                  **{name: dict(counts) for name, counts in self._counts.items()},
                  'class_pixels': classes, 'depth_pixels': sparse(self._depth)}
        if self._comparison is not None:
            values['comparison'] = self._comparison.values()
        return values

    def pictures(self) -> dict[str, bytes]:
        """
        Return JPEG files for people, each of 40 kB at most, by what to add to the segment's name.

        '' is a frame from the middle with its maps in colours; the others are the frames in which
        two models differ most.
        """
        pictures = {}
        if self._middle.frame is not None:
            pictures[''] = small_jpeg(draw_frame(self._middle.frame, self._labels))
        if self._comparison is not None:
            pictures.update(self._comparison.pictures())
        return pictures

    def _count_time(self, time_ns: int) -> None:
        step = 0 if self._last_ns is None else time_ns - self._last_ns
        if 0 < step <= LONGEST_STEP_NS:
            self._sums['video_us'] += step // 1000
            self._steps += 1
        self._last_ns = time_ns

    def _count_stats(self, stats: FrameStats) -> None:
        self._sums.update(
            frames=1, us=round(stats.total_ms * 1000), macs=stats.macs,
            dense_macs=stats.dense_macs, active_ppm=round(stats.active_fraction * MILLION),
            non_finite_frames=int(bool(stats.non_finite)))
        self._counts['ms'][MILLISECONDS.number(stats.total_ms)] += 1
        self._counts['non_finite'].update(stats.non_finite)
        if stats.reset_reason:
            self._counts['resets'][without_numbers(stats.reset_reason)] += 1

    def _count_depth(self, depth: np.ndarray) -> None:
        valid = depth[depth > 0]  # not NaN either
        self._sums['invalid_depth_pixels'] += depth.size - valid.size
        self._depth += np.bincount(DEPTH.numbers(valid), minlength=DEPTH.count + 2)


class _MiddleFrame:
    """
    Keeps a frame from about the middle, while it is not known how many there will be.

    It keeps every n-th frame, and doubles n whenever it has too many.
    """

    def __init__(self) -> None:
        self._kept: list[Prediction] = []
        self._stride = 1
        self._passed = 0

    def see(self, prediction: Prediction) -> None:
        """Take one frame."""
        if self._passed % self._stride == 0 and prediction.image is not None:
            # without a copy, the image is a view of the recording's frame
            self._kept.append(replace(prediction, image=prediction.image.copy()))
        self._passed += 1
        if len(self._kept) > _MOST_KEPT:
            del self._kept[1::2]
            self._stride *= 2

    @property
    def frame(self) -> Prediction | None:
        """The kept frame that is nearest to the middle, None without any."""
        nearest = round((self._passed - 1) // 2 / self._stride)
        return self._kept[min(nearest, len(self._kept) - 1)] if self._kept else None
