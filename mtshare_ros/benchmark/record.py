"""What the benchmark keeps of each side, frame by frame."""

from dataclasses import dataclass, field
from typing import Mapping, Sequence

import torch

from mtshare_ros.evaluation.correspondence import Correspondence
from mtshare_ros.evaluation.evaluate import Metrics
from mtshare_ros.evaluation.flicker import Flicker
from mtshare_ros.evaluation.metrics import make_metric, Metric
from mtshare_ros.evaluation.output_error import relative_error
from mtshare_ros.evaluation.rooms import tasks_of_rooms
from mtshare_ros.evaluation.scoring import bring_to_scale
from mtshare_ros.evaluation.truth import Truth
from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.prediction import FrameStats, Prediction


@dataclass
class SideRecord:
    """The counted frames of one side; ``engine`` is the one whose model it runs."""

    engine: Engine
    tasks: tuple[str, ...]
    metrics: dict[str, Metric] = field(default_factory=dict)
    milliseconds: list[float] = field(default_factory=list)
    stats: list[FrameStats] = field(default_factory=list)
    differences: dict[str, list[float]] = field(default_factory=dict)
    clean_differences: dict[str, list[float]] = field(default_factory=dict)
    flicker: Flicker | None = None

    def add_time(self, milliseconds: float, stats: FrameStats) -> None:
        """Add what a frame cost."""
        self.milliseconds.append(milliseconds)
        self.stats.append(stats)

    def compare(
        self, raw: Mapping[str, torch.Tensor], reference: Mapping[str, torch.Tensor]
    ) -> None:
        """Add how far a frame's raw outputs lie from those of ``reference``, by task."""
        self._add(self.differences, raw, reference)

    def compare_clean(
        self, raw: Mapping[str, torch.Tensor], clean: Mapping[str, torch.Tensor] | None
    ) -> None:
        """Add how far they lie from the dense outputs of the frame without noise, if known."""
        if clean is not None:
            self._add(self.clean_differences, raw, clean)

    def _add(
        self, found: dict[str, list[float]], raw: Mapping[str, torch.Tensor],
        reference: Mapping[str, torch.Tensor],
    ) -> None:
        for task in self.tasks:
            difference = relative_error(raw[task], reference[task])
            found.setdefault(task, []).append(difference)

    def add_maps(
        self, prediction: Prediction, truth: Truth, same: Correspondence | None, *, scored: bool
    ) -> None:
        """
        Add a frame's maps to the flicker and, if it is scored, to the metrics.

        Its depth is brought to metres of the camera, in place. ``same`` is what the frame shares
        with the one added before, None for the first of a room.
        """
        bring_to_scale(self.engine, prediction, truth)
        if scored:
            for metric in self.metrics.values():
                metric.update(prediction, truth)
        if self.flicker is not None:
            self.flicker.update(prediction, same)

    def figures(self) -> Metrics | None:
        """Return the metrics of all frames by task, None where there are none."""
        if not self.metrics:
            return None
        return {task: metric.result() for task, metric in self.metrics.items()}


def new_record(engine: Engine, tasks: Sequence[str], *, scored: bool) -> SideRecord:
    """
    Return an empty record; ``scored`` says whether maps are compared with the truth of rooms.

    Only those are that a room's truth can be of: not the classes of other label sets.
    """
    known = tasks_of_rooms(engine) if scored else ()
    metrics = {task: make_metric(task, len(engine.labels)) for task in tasks if task in known}
    return SideRecord(engine, tuple(tasks), metrics, flicker=Flicker() if scored else None)
