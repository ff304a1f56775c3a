"""A second model on the frames of a fleet, and in which frames its maps differ most."""

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from mtshare_ros.fleet.summary.comparable import Comparable, NamedModel
from mtshare_ros.fleet.summary.counting import DIFFERENCE_BINS, MILLION, MILLISECONDS, sample_step
from mtshare_ros.fleet.summary.map_differences import (
    camera_of_second,
    Disagreement,
    disagreement,
)
from mtshare_ros.fleet.summary.pictures import draw_difference, small_jpeg
from mtshare_ros.image_frame import frame_to_cover
from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.prediction import InferenceSettings, Prediction
from mtshare_ros.messages.camera_info import pinhole_of
from mtshare_ros.recording.frames import RecordedFrame

MOST = 3
"""Frames of a segment that are kept with a picture."""

APART_NS = 1_000_000_000
"""Of frames that are nearer to each other, only the most different one is kept."""

_SUMS = ('frames', 'us', 'macs', 'dense_macs', 'compared_pixels', 'differing_pixels')


@dataclass(frozen=True)
class _Differing:
    """A frame in which the models differ, with both predictions."""

    frame: RecordedFrame
    first: Prediction
    second: Prediction
    found: Disagreement


class Comparison:
    """
    A second engine with a session of its own, which sees the same frames as the first.

    ``settings`` are those of the first engine. ``tasks``, ``classes`` and ``notices`` are those of
    ``Comparable``. Where the first session was reset, the second is too. Raises ConfigError where
    there is nothing to compare.
    """

    def __init__(self, first: Engine, second: Engine, settings: InferenceSettings) -> None:
        self._engine = second
        self._labels = first.labels, second.labels
        found = Comparable.of(_named(first), _named(second), settings.tasks)
        self.tasks, self.classes, self.notices = found.tasks, found.classes, found.notices
        self._settings = replace(settings, tasks=self.tasks, activity=False)
        self.begin()

    def begin(self) -> None:
        """Begin another segment: a new session, and nothing counted."""
        self._session = self._engine.new_session()
        self._sums = Counter(dict.fromkeys(_SUMS, 0))
        self._counts = {name: Counter[str]() for name in ('ms', *self.tasks)}
        self._kept: list[_Differing] = []

    def see(self, frame: RecordedFrame, prediction: Prediction) -> Disagreement:
        """Compute the second model's maps of a frame and compare them; return how they differ."""
        if prediction.stats.reset_reason:
            self._session.reset(prediction.stats.reset_reason)
        second = self._infer(frame, prediction)
        found = disagreement(prediction, second, self.tasks, self.classes,
                             sample_step(prediction.framing.input_size))
        self._count(second, found)
        self._keep(_Differing(frame, prediction, second, found))
        return found

    def values(self) -> dict[str, Any]:
        """
        Return the counts of the segment, which ``merge`` adds up.

        * ``frames``, ``us``, ``ms``, ``macs`` and ``dense_macs`` of the second model
        * ``compared_pixels`` and ``differing_pixels``, see Disagreement
        * for each task a histogram over frames in DIFFERENCE_BINS, its number of frames
          ``<task>_frames``, and the sum of the differences in millionths ``<task>_ppm``
        * ``most_different``: frames by ``time_ns``, ``stamp_ns`` and ``image``, the number in the
          recording, with ``score_ppm``, the ``task`` whose maps the ``picture`` shows, and each
          task's difference in millionths
        """
        most = [self._entry(number, item) for number, item in enumerate(self._ranked())]
        return {**self._sums, **{name: dict(counts) for name, counts in self._counts.items()},
                'most_different': most}

    def pictures(self) -> dict[str, bytes]:
        """Return the JPEG files of these frames, by what to add to the segment's name."""
        return {_suffix(number): small_jpeg(draw_difference(
            item.first, item.second, _shown(item.found), self.classes, self._labels))
            for number, item in enumerate(self._ranked())}

    def _infer(self, frame: RecordedFrame, first: Prediction) -> Prediction:
        camera = None
        if frame.calibration is not None:
            second = frame_to_cover(first.framing.source_size, self._engine.input_size)
            camera = camera_of_second(pinhole_of(frame.calibration), first.framing, second)
        found = self._engine.infer(frame.picture, self._session, self._settings, camera)
        self._engine.scale_depth(found, camera.fx if camera else None)
        return found

    def _count(self, second: Prediction, found: Disagreement) -> None:
        stats = second.stats
        self._sums.update(
            frames=1, us=round(found.ms * 1000), macs=stats.macs, dense_macs=stats.dense_macs,
            compared_pixels=found.compared_pixels, differing_pixels=found.differing_pixels)
        self._counts['ms'][MILLISECONDS.number(found.ms)] += 1
        for task, value in found.by_task.items():
            self._counts[task][DIFFERENCE_BINS[task].number(value)] += 1
            self._sums.update({f'{task}_frames': 1, f'{task}_ppm': round(value * MILLION)})

    def _keep(self, item: _Differing) -> None:
        """Keep a frame if it differs more than one that is kept, and than those near to it."""
        near: list[_Differing] = []
        far: list[_Differing] = []
        for kept in self._kept:
            apart = abs(kept.frame.time_ns - item.frame.time_ns)
            (near if apart < APART_NS else far).append(kept)
        if item.first.image is None or not item.found.by_task or any(
                kept.found.score >= item.found.score for kept in near):
            return
        self._kept = [*far, item]
        self._kept = self._ranked()[:MOST]

    def _ranked(self) -> list[_Differing]:
        return sorted(self._kept, key=lambda kept: (-kept.found.score, kept.frame.time_ns))

    def _entry(self, number: int, item: _Differing) -> dict[str, Any]:
        found = item.found
        return {'time_ns': item.frame.time_ns, 'stamp_ns': item.frame.stamp_ns,
                'image': item.frame.number,
                'score_ppm': round(found.score * MILLION), 'task': _shown(found),
                'picture': _suffix(number),
                **{f'{task}_ppm': round(value * MILLION)
                   for task, value in found.by_task.items()}}


def _suffix(number: int) -> str:
    return f'-different-{number + 1}'


def _shown(found: Disagreement) -> str:
    """Return the task whose maps differ most."""
    return max(found.shares, key=lambda task: found.shares[task])


def _named(engine: Engine) -> NamedModel:
    return NamedModel(engine.file.name if engine.file is not None else 'the model',
                      engine.description)
