"""From calibrated thresholds and the user's factors to the limits of every block."""

from dataclasses import dataclass
from typing import Mapping, Sequence

import torch

from mtshare_ros.model.description import TaskThresholds
from mtshare_ros.sharing.block import BlockLimits
from mtshare_ros.sharing.rules import effective
from mtshare_ros.sharing.settings import SharingSettings


@dataclass(frozen=True)
class FrameLimits:
    """
    The limits of one frame: of the shared blocks, and of the blocks above them.

    ``input_factor`` scales the input gate's limit; 0 means that nothing is gated in time.
    ``first`` is the limit of the temporal rule at the first block.
    ``heads`` holds for every task the limits of the temporal rule by block, which its head applies
    to what its cells have in common.
    """

    input_factor: float
    first: float
    shared: tuple[BlockLimits, ...]
    own: tuple[BlockLimits, ...]
    heads: Mapping[str, tuple[float, ...]]


class LimitTable:
    """Limits by tasks and settings, made once for each combination."""

    LARGEST = 64

    def __init__(
        self, thresholds: Mapping[str, TaskThresholds], members: Sequence[str], shared_depth: int,
        depth: int, device: torch.device,
    ) -> None:
        self._thresholds = thresholds
        self._members = members
        self._shared, self._own_blocks = range(shared_depth), range(shared_depth, depth)
        self._device = device
        self._known: dict[object, FrameLimits] = {}

    def of(self, tasks: tuple[str, ...], settings: SharingSettings) -> FrameLimits:
        """Return the limits for a frame of ``tasks``: the strictest of them where they share."""
        temporal = {task: settings.temporal_factor_of(task) for task in self._thresholds}
        own = {task: settings.task_factor_of(task) for task in self._thresholds}
        key = (tasks, *temporal.items(), *own.items())
        if key not in self._known:
            if len(self._known) >= self.LARGEST:
                self._known.clear()
            self._known[key] = self._make(tasks, temporal, own)
        return self._known[key]

    def _make(
        self, tasks: tuple[str, ...], temporal: Mapping[str, float], own: Mapping[str, float]
    ) -> FrameLimits:
        scaled = {
            task: tuple(temporal[task] * value for value in self._thresholds[task].temporal)
            for task in self._thresholds}
        shared = [min(scaled[task][block] for task in tasks) for block in self._shared]
        return FrameLimits(
            min(temporal[task] for task in tasks), min(scaled[task][0] for task in tasks),
            tuple(BlockLimits(self._tensor([value])) for value in shared),
            tuple(self._own(block, scaled, own) for block in self._own_blocks),
            scaled,
        )

    def _own(
        self, block: int, scaled: Mapping[str, tuple[float, ...]], own: Mapping[str, float]
    ) -> BlockLimits:
        taking = [own[task] * self._thresholds[task].task[block] for task in self._members]
        return BlockLimits(self._tensor([scaled[task][block] for task in self._members]),
                           self._tensor(taking))

    def _tensor(self, values: list[float]) -> torch.Tensor | None:
        """Return one value per member, below 0 where nothing is gated; None if that is all."""
        if not any(values):
            return None
        return torch.tensor([effective(value) for value in values], device=self._device)
