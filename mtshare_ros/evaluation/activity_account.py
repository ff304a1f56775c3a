"""
What sharing did over the frames of clips: rows taken over, rows let through, work done.

Every share is 0 to 1 and None where nothing could be counted.

``taken_over``: in the blocks above the shared ones where a sub-task's weights differ from the base
task's, the rows of sub-tasks that were taken over, of those that were processed: taken over or
computed. Summed over blocks and frames, frames that built on nothing included.

``gated``: the rows that the temporal gates let through, refresh apart: of the rows whose refresh
turn had not come, the share that a block processed. Rows are refreshed by turns, whatever they
show, so the others stand for all. Mean over tasks, blocks and the frames that built on others.

``changed``: the patches of the noise-free clip that differ from the frame before, mean over the
frames that ``gated`` counts.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Mapping, Sequence

import numpy as np
import torch

from mtshare_ros.inference.prediction import FrameStats
from mtshare_ros.model.backbone import Block
from mtshare_ros.model.network import MultiTaskNetwork


@dataclass(frozen=True)
class SharingActivity:
    """
    What sharing did, in all and by task; see the module for the definitions.

    ``active_fraction`` is the mean share of rows that were computed, over tasks, blocks and
    frames; ``macs_share`` that of a dense frame's multiply-accumulates. ``resets`` counts the
    frames that built on nothing by their reason.
    """

    taken_over: float | None
    taken_over_by_task: dict[str, float | None]
    gated: float | None
    gated_by_task: dict[str, float | None]
    changed: float | None
    active_fraction: float | None
    macs_share: float | None
    resets: dict[str, int]

    @property
    def gated_to_changed(self) -> float | None:
        """How many times the share that changed the gates let through."""
        return self.gated / self.changed if self.gated is not None and self.changed else None


class ActivityAccount:
    """Adds up frames; ``delta_blocks`` are those of ``delta_blocks``, by sub-task."""

    def __init__(self, delta_blocks: Mapping[str, Sequence[int]]) -> None:
        self._delta_blocks = dict(delta_blocks)
        self._taken = dict.fromkeys(delta_blocks, 0.0)
        self._processed = dict.fromkeys(delta_blocks, 0.0)
        self._gated: dict[str, list[float]] = {}
        self._changed: list[float] = []
        self._active: list[float] = []
        self._macs = self._dense_macs = 0
        self._resets: Counter[str] = Counter()

    def add(self, stats: FrameStats, changed: float | None = None) -> None:
        """Add a frame; ``changed`` is the share of its patches that changed, None if unknown."""
        self._active.append(stats.active_fraction)
        self._macs += stats.macs
        self._dense_macs += stats.dense_macs
        self._add_taken(stats)
        if stats.reset_reason:
            self._resets[stats.reset_reason] += 1
        elif stats.refreshed < 1:
            self._add_gated(stats)
            if changed is not None:
                self._changed.append(changed)

    def result(self) -> SharingActivity:
        """Return the figures of all frames so far."""
        gated = {task: _mean(shares) for task, shares in self._gated.items()}
        every = [share for share in gated.values() if share is not None]
        return SharingActivity(
            taken_over=_ratio(sum(self._taken.values()), sum(self._processed.values())),
            taken_over_by_task={task: _ratio(self._taken[task], self._processed[task])
                                for task in self._delta_blocks},
            gated=_mean(every), gated_by_task=gated, changed=_mean(self._changed),
            active_fraction=_mean(self._active), macs_share=_ratio(self._macs, self._dense_macs),
            resets=dict(self._resets))

    def _add_taken(self, stats: FrameStats) -> None:
        for task, blocks in self._delta_blocks.items():
            for block in blocks if task in stats.active else ():
                taken = stats.reused[task][block]
                self._taken[task] += taken
                self._processed[task] += taken + stats.active[task][block]

    def _add_gated(self, stats: FrameStats) -> None:
        for task, computed in stats.active.items():
            processed = np.add(computed, stats.reused[task])
            share = (processed - stats.refreshed) / (1 - stats.refreshed)
            self._gated.setdefault(task, []).append(float(share.mean()))


def delta_blocks(network: MultiTaskNetwork) -> dict[str, tuple[int, ...]]:
    """Return for every sub-task with own blocks the numbers of those that differ from the base."""
    base = network.own_blocks(network.base_task)
    return {
        task: tuple(number for number, (own, other) in enumerate(
            zip(network.own_blocks(task), base), network.config.shared_depth)
            if _differ(own, other))
        for task in network.branches
    }


def _differ(first: Block, second: Block) -> bool:
    return any(not torch.equal(own, other)
               for own, other in zip(first.parameters(), second.parameters()))


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None
