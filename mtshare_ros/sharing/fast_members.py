"""The fast block of several tasks: sub-tasks take rows over from the base task."""

from dataclasses import dataclass

import torch

from mtshare_ros.sharing.block import BlockLimits, BlockUpdate, BlockWeights
from mtshare_ros.sharing.fast import (
    compute_rows,
    FastState,
    finish_rows,
    note_all,
    pass_changed,
    renew_keys,
)
from mtshare_ros.sharing.rows import ActiveRows
from mtshare_ros.sharing.take_over import Split, Taken, TakeOver, TakeOverState


@dataclass
class MemberState(FastState):
    """What a fast block of several members remembers."""

    base: TakeOverState

    @property
    def nbytes(self) -> int:
        """Bytes of the buffers."""
        return super().nbytes + self.base.nbytes

    def by_row(self) -> list[torch.Tensor]:
        """Return the buffers that have one row, or several, for each token."""
        return [*super().by_row(), *self.base.by_row()]


class FastMemberBlock:
    """A fast block in which the rows of sub-tasks may be taken over instead of computed."""

    def __init__(self, weights: BlockWeights) -> None:
        self.weights = weights
        self._take_over = TakeOver(weights.delta_share)

    def allocate(self, token_count: int, device: torch.device) -> MemberState:
        """Return buffers for T tokens."""
        weights = self.weights
        own = FastState.allocate(weights, token_count, device)
        base = self._take_over.allocate(token_count, weights.width, weights.dtype, device)
        return MemberState(own.cache, own.reference, own.scale, base)

    def dense(self, state: MemberState, rows: ActiveRows, values: torch.Tensor) -> torch.Tensor:
        """Compute every row of the members that have rows, and remember them."""
        note_all(state, rows, values)
        update = compute_rows(self.weights, state, rows, values)
        self._remember(state, rows, values, update)
        return values + update

    def update(
        self, state: MemberState, rows: ActiveRows, values: torch.Tensor, limits: BlockLimits
    ) -> BlockUpdate:
        """Drop rows within the temporal limit; take over or compute the others."""
        rows, values = pass_changed(state, rows, values, limits.temporal)
        split = None if limits.task is None else self._take_over.split(
            state.base, state.reference, state.scale, rows, values, limits.task)
        if split is not None:
            return self._update_split(state, rows, values, split)
        if rows.total:
            update = compute_rows(self.weights, state, rows, values)
            self._remember(state, rows, values, update)
            values = values + update
        return BlockUpdate(rows, values, rows.counts)

    def _update_split(
        self, state: MemberState, rows: ActiveRows, values: torch.Tensor, split: Split
    ) -> BlockUpdate:
        """Compute some rows and take over the others."""
        computed, taken = rows.at(split.computed), Taken.of(rows, split.taken)
        update = torch.empty_like(values)
        if computed.total:
            inputs = values.index_select(0, split.computed)
            query = renew_keys(self.weights, state, computed, inputs)
            self._take_over.fill_keys(state.base, state.cache.rows, taken)
            own = finish_rows(self.weights, state, computed, inputs, query)
            self._remember(state, computed, inputs, own)
            update.index_copy_(0, split.computed, own)
        else:
            self._take_over.fill_keys(state.base, state.cache.rows, taken)
        update.index_copy_(0, split.taken, self._take_over.update(state.base, taken))
        return BlockUpdate(rows, update.add_(values), computed.counts, taken.index)

    def _remember(
        self, state: MemberState, rows: ActiveRows, values: torch.Tensor, update: torch.Tensor
    ) -> None:
        self._take_over.remember(
            state.base, state.reference, state.cache.rows, rows, values, update)
