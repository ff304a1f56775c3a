"""From calibrated thresholds and the user's factors to the thresholds of every block."""

from dataclasses import dataclass
from typing import Mapping, Sequence

import torch

from mtshare_ros.model.description import TaskThresholds
from mtshare_ros.sharing.block import BlockThresholds
from mtshare_ros.sharing.rules import effective
from mtshare_ros.sharing.settings import SharingSettings


@dataclass(frozen=True)
class FrameThresholds:
    """
    The thresholds of one frame: of the shared blocks, and of the blocks above them.

    ``input_factor`` scales the input gate's threshold; 0 means that nothing is gated in time.
    ``first`` is the limit of the temporal rule at the first block. ``heads`` holds for every task
    the thresholds of the temporal rule by block, which its head applies to what its patches have
    in common.
    """

    input_factor: float
    first: float
    shared: tuple[BlockThresholds, ...]
    own: tuple[BlockThresholds, ...]
    heads: Mapping[str, tuple[float, ...]]


class ThresholdTable:
    """Limits by tasks and settings, made once for each combination."""

    LARGEST = 64

    def __init__(
        self, calibrated: Mapping[str, TaskThresholds], encoders: Sequence[str], shared_depth: int,
        depth: int, device: torch.device,
    ) -> None:
        self._calibrated = calibrated
        self._encoders = encoders
        self._shared, self._own_blocks = range(shared_depth), range(shared_depth, depth)
        self._device = device
        self._known: dict[object, FrameThresholds] = {}

    def of(self, tasks: tuple[str, ...], settings: SharingSettings) -> FrameThresholds:
        """Return the thresholds for ``tasks``: the strictest of them where they share blocks."""
        temporal = {task: settings.temporal_threshold_of(task) for task in self._calibrated}
        own = {task: settings.task_threshold_of(task) for task in self._calibrated}
        key = (tasks, *temporal.items(), *own.items())
        if key not in self._known:
            if len(self._known) >= self.LARGEST:
                self._known.clear()
            self._known[key] = self._make(tasks, temporal, own)
        return self._known[key]

    def _make(
        self, tasks: tuple[str, ...], temporal: Mapping[str, float], own: Mapping[str, float]
    ) -> FrameThresholds:
        scaled = {
            task: tuple(temporal[task] * value for value in self._calibrated[task].temporal)
            for task in self._calibrated}
        shared = [min(scaled[task][block] for task in tasks) for block in self._shared]
        return FrameThresholds(
            min(temporal[task] for task in tasks), min(scaled[task][0] for task in tasks),
            tuple(BlockThresholds(self._tensor([value])) for value in shared),
            tuple(self._own(block, scaled, own) for block in self._own_blocks),
            scaled,
        )

    def _own(
        self, block: int, scaled: Mapping[str, tuple[float, ...]], own: Mapping[str, float]
    ) -> BlockThresholds:
        reusing = [own[task] * self._calibrated[task].task[block] for task in self._encoders]
        return BlockThresholds(self._tensor([scaled[task][block] for task in self._encoders]),
                               self._tensor(reusing))

    def _tensor(self, values: list[float]) -> torch.Tensor | None:
        """Return one value per encoder, below 0 where nothing is gated; None if that is all."""
        if not any(values):
            return None
        return torch.tensor([effective(value) for value in values], device=self._device)
