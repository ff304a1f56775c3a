"""
Sub-tasks reuse the base task's updates of a fixed share of the tokens.

Of the tokens that enter the blocks above the shared ones, the base task computes all, and the
sub-tasks those that differ most from what they were when sub-tasks computed them last. A reused
token of a sub-task changes as the base task's does: its keys and values in each block, and what
heads read of it, keep their difference from those of the base task.

The products are batches of groups, each of as many tokens as a sub-task computes; the base task
has several groups.
"""

from dataclasses import dataclass
import math
from typing import Sequence

import torch
from torch.nn import functional

from mtshare_ros.model.backbone import Block
from mtshare_ros.sharing.static.operators import Operators
from mtshare_ros.sharing.static.plain_steps import Norm
from mtshare_ros.sharing.static.static_block import attend, Rows, Stage, StaticBlock, StaticTaps


@dataclass(frozen=True)
class GroupedRows(Rows):
    """
    The tokens of the base task; sub-tasks compute the first ``own`` of them.

    ``gaps`` (blocks, M - 1, n - own, 2D) are how the sub-tasks' keys and values of the other
    tokens differ from the base task's.
    """

    own: int
    gaps: torch.Tensor

    @property
    def computed(self) -> torch.Tensor:
        """The tokens that sub-tasks compute."""
        return self.index[:self.own]

    @property
    def reused(self) -> torch.Tensor:
        """The tokens that sub-tasks reuse."""
        return self.index[self.own:]

    def store(self, buffer: torch.Tensor, values: torch.Tensor) -> None:
        """Write values (groups, own, D) of the tokens to a buffer (M, T, D)."""
        groups, gap = self.index.shape[0] // self.own, gap_of(buffer, self.reused)
        base = values[:groups].reshape(1, -1, values.shape[-1])
        buffer[:1].index_copy_(1, self.index, base)
        buffer[1:].index_copy_(1, self.reused, base[:, self.own:] + gap)
        # last, since a list may end with repetitions of a row that is computed
        buffer[1:].index_copy_(1, self.computed, values[groups:])

    def store_normed(
        self, operators: Operators, buffer: torch.Tensor, values: torch.Tensor, norm: Norm
    ) -> None:
        """Write the norm of values (groups, own, D) float32 as ``store`` writes values."""
        self.store(buffer, operators.residual_norm(values, None, None, norm, buffer.dtype)[1])


class Reuse:
    """
    The own blocks of several encoders, the base task first.

    Of ``groups`` tokens that the base task computes, sub-tasks compute one. ``plain`` are the same
    blocks for encoders that all compute the same tokens.
    """

    def __init__(
        self, blocks: Sequence[Sequence[Block]], groups: int, taps: StaticTaps, before: int,
        dtype: torch.dtype, operators: Operators,
    ) -> None:
        self._groups, self._encoders, self._dtype = groups, len(blocks[0]), dtype
        self._operators = operators
        stacked = [StaticBlock(_grouped(own, groups), dtype, operators) for own in blocks]
        self.plain = [block.last(self._encoders) for block in stacked]
        reusing = [_ReusingBlock(block, groups, number) for number, block in enumerate(stacked)]
        final = Norm.of(_grouped(taps.norms, groups))
        norms = [*(block.norm for block in stacked), final]
        self.stage = Stage(reusing, norms, taps, final, before)

    def group(
        self, caches: torch.Tensor, trunk: torch.Tensor, rows: Rows, values: torch.Tensor,
        forced: torch.Tensor,
    ) -> tuple[GroupedRows, torch.Tensor, torch.Tensor]:
        """
        Return tokens (1, n, D) as groups (groups + M - 1, own, D), and the norm of those.

        ``caches`` (blocks, M, T, 2D) are those of the own blocks; ``trunk`` (T, D) float32 are the
        tokens as sub-tasks computed them last, infinite where they never did. ``forced`` (c,) bool
        are patches that sub-tasks compute first, as they do the prefix tokens after them.
        """
        own, order = self._order(trunk, rows.index, values[0], forced)
        index = rows.index.index_select(0, order)
        rotation = None if rows.rotation is None else rows.rotation.index_select(0, order)
        ordered = values[0].index_select(0, order)
        trunk.index_copy_(0, index[:own], ordered[:own])
        grouped = torch.cat((ordered.view(self._groups, own, -1),
                             ordered[:own].expand(self._encoders - 1, -1, -1)))
        _, normed = self._operators.residual_norm(
            grouped, None, None, self.stage.norms[0], self._dtype)
        gaps = gap_of(caches, index[own:])
        return GroupedRows(index, rotation, own, gaps), grouped, normed

    def _order(
        self, trunk: torch.Tensor, index: torch.Tensor, values: torch.Tensor,
        forced: torch.Tensor,
    ) -> tuple[int, torch.Tensor]:
        """Return how many tokens sub-tasks compute, and all places, the most urgent first."""
        count = index.shape[0]
        if count > forced.shape[0]:
            forced = functional.pad(forced, (0, count - forced.shape[0]), value=True)
        _, scores = self._operators.enter(values, None, index, trunk, forced)
        order = scores.argsort(descending=True, stable=True)
        own = math.ceil(count / self._groups)
        # groups are of equal size: repetitions of the last token fill them up
        more = own * self._groups - count
        return own, torch.cat((order, order[-1:].expand(more))) if more else order


class _ReusingBlock:
    """One block, its weights stacked over the groups of the base task and the sub-tasks."""

    def __init__(self, block: StaticBlock, groups: int, number: int) -> None:
        self._block, self._groups, self._number = block, groups, number
        self._store, self._heads = block.operators.rotate_and_store, block.heads

    def macs(self, rows: int, token_count: int) -> int:
        """Return the multiply-accumulates of so many tokens of the base task that attend to T."""
        return self._block.macs(math.ceil(rows / self._groups), token_count)

    def __call__(
        self, cache: torch.Tensor, rows: GroupedRows, values: torch.Tensor,
        normed: torch.Tensor, following: Norm,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return output and norm as ``StaticBlock`` does, of groups (groups + M - 1, own, D)."""
        groups, own, rotation = self._groups, rows.own, rows.rotation
        qkv = self._block.qkv(normed)
        base = self._keep(qkv[:groups].view(1, groups * own, -1), slice(1), rotation, cache[:1],
                          rows.index)
        reused = cache[:1].index_select(1, rows.reused) + rows.gaps[self._number]
        cache[1:].index_copy_(1, rows.reused, reused)
        # after the reused tokens, since a list may end with repetitions of a computed row
        sub_tasks = self._keep(qkv[groups:], slice(groups, None),
                               None if rotation is None else rotation[:own], cache[1:],
                               rows.computed)
        mixed = torch.cat((attend(base, cache[:1], self._heads).view(groups, own, -1),
                           attend(sub_tasks, cache[1:], self._heads)))
        return self._block.finish(values, mixed, following)

    def _keep(
        self, qkv: torch.Tensor, encoders: slice, rotation: torch.Tensor | None,
        cache: torch.Tensor, index: torch.Tensor,
    ) -> torch.Tensor:
        """Store keys and values of some encoders at tokens ``index``; return the queries."""
        bias = self._block.qkv.bias
        return self._store(qkv, None if bias is None else bias[encoders], rotation, cache, index,
                           self._heads)


def gap_of(buffer: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """Return how tokens (n,) of sub-tasks in (..., M, T, D) differ from those of the base task."""
    rows = buffer.index_select(-2, index)
    return rows[..., 1:, :, :] - rows[..., :1, :, :]


def _grouped(encoders: Sequence, groups: int) -> list:
    """Return a list with the entry of the base task once for each of its groups."""
    return [encoders[0]] * (groups - 1) + list(encoders)
