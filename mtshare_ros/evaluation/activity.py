"""What sharing computed in the frames of clips."""

from collections import Counter
from dataclasses import dataclass
from typing import Mapping, Sequence

import numpy as np
import torch

from mtshare_ros.evaluation.truth_and_rules import OrderedSum
from mtshare_ros.inference.prediction import FrameStats
from mtshare_ros.model.backbone import Block
from mtshare_ros.model.network import MultiTaskNetwork


@dataclass(frozen=True)
class SharingActivity:
    """
    How much sharing computed in the frames of clips; shares are 0 to 1, None without any frames.

    ``reused``: tokens of sub-tasks that reused the base task's update, of those reused or
    computed, in the blocks above the shared ones whose weights differ from the base task's; summed
    over blocks and all frames. ``gated``: of the tokens that were not due for a refresh, the share
    that a block processed because the temporal gates let them through; mean over tasks, blocks and
    the frames that are not whole. Tokens are refreshed in turn, whether they changed or not, so
    the others are a fair sample. ``changed``: share of patches that differ from the frame before
    in a clip without noise, mean over the frames that ``gated`` counts. ``active_fraction``:
    tokens computed, mean over tasks, blocks and frames; ``macs_share``: multiply-accumulates, of
    those of dense frames. ``resets`` is the number of whole frames by the reason for them.
    """

    reused: float | None
    reused_by_task: dict[str, float | None]
    gated: float | None
    gated_by_task: dict[str, float | None]
    changed: float | None
    active_fraction: float | None
    macs_share: float | None
    resets: dict[str, int]

    @property
    def gated_to_changed(self) -> float | None:
        """Share of tokens that passed the gates, divided by that of patches that changed."""
        return self.gated / self.changed if self.gated is not None and self.changed else None


class ActivityAccount:
    """
    Sums up what sharing computed; ``delta_blocks`` is from the function of that name.

    Accounts of parts merge as metrics do.
    """

    def __init__(self, delta_blocks: Mapping[str, Sequence[int]]) -> None:
        self._delta_blocks = dict(delta_blocks)
        self._taken = {task: OrderedSum() for task in delta_blocks}
        self._processed = {task: OrderedSum() for task in delta_blocks}
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

    def merge(self, other: 'ActivityAccount') -> None:
        """Add the frames of another account of the same model, which follow those of this one."""
        for task in self._delta_blocks:
            self._taken[task].merge(other._taken[task])
            self._processed[task].merge(other._processed[task])
        for task, shares in other._gated.items():
            self._gated.setdefault(task, []).extend(shares)
        self._changed += other._changed
        self._active += other._active
        self._macs += other._macs
        self._dense_macs += other._dense_macs
        self._resets += other._resets

    def result(self) -> SharingActivity:
        """Return the activity over all frames so far."""
        gated = {task: _mean(shares) for task, shares in self._gated.items()}
        every = [share for share in gated.values() if share is not None]
        taken = {task: terms.total() for task, terms in self._taken.items()}
        processed = {task: terms.total() for task, terms in self._processed.items()}
        return SharingActivity(
            reused=_ratio(sum(taken.values()), sum(processed.values())),
            reused_by_task={task: _ratio(taken[task], processed[task]) for task in taken},
            gated=_mean(every), gated_by_task=gated, changed=_mean(self._changed),
            active_fraction=_mean(self._active), macs_share=_ratio(self._macs, self._dense_macs),
            resets=dict(self._resets))

    def _add_taken(self, stats: FrameStats) -> None:
        for task, blocks in self._delta_blocks.items():
            for block in blocks if task in stats.active else ():
                taken = stats.reused[task][block]
                self._taken[task].add(taken)
                self._processed[task].add(taken + stats.active[task][block])

    def _add_gated(self, stats: FrameStats) -> None:
        for task, computed in stats.active.items():
            processed = np.add(computed, stats.reused[task])
            share = (processed - stats.refreshed) / (1 - stats.refreshed)
            self._gated.setdefault(task, []).append(float(share.mean()))


def delta_blocks(network: MultiTaskNetwork) -> dict[str, tuple[int, ...]]:
    """Return by sub-task the numbers of the blocks whose weights differ from the base task's."""
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
