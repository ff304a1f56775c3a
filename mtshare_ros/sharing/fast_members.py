"""The fast block of several tasks: sub-tasks take rows over from the base task."""

from dataclasses import dataclass

import torch

from mtshare_ros.sharing.block import BlockThresholds, BlockUpdate, BlockWeights
from mtshare_ros.sharing.fast import (
    compute_rows,
    FastState,
    finish_rows,
    note_all,
    pass_changed,
    renew_keys,
)
from mtshare_ros.sharing.rows import ActiveTokens
from mtshare_ros.sharing.take_over import ReusedTokens, ReuseRule, ReuseState, Split


@dataclass
class FastReuseState(FastState):
    """What a fast block of several encoders remembers."""

    base: ReuseState

    @property
    def nbytes(self) -> int:
        """Bytes of the buffers."""
        return super().nbytes + self.base.nbytes

    def by_row(self) -> list[torch.Tensor]:
        """Return the buffers that have one row, or several, for each token."""
        return [*super().by_row(), *self.base.by_row()]


class FastReuseBlock:
    """A fast block in which the rows of sub-tasks may be reused instead of computed."""

    def __init__(self, weights: BlockWeights) -> None:
        self.weights = weights
        self._reuse = ReuseRule(weights.delta_share)

    def allocate(self, token_count: int, device: torch.device) -> FastReuseState:
        """Return buffers for T tokens."""
        weights = self.weights
        own = FastState.allocate(weights, token_count, device)
        base = self._reuse.allocate(token_count, weights.width, weights.dtype, device)
        return FastReuseState(own.cache, own.reference, own.scale, base)

    def dense(
        self, state: FastReuseState, rows: ActiveTokens, values: torch.Tensor
    ) -> torch.Tensor:
        """Compute every row of the encoders that have rows, and remember them."""
        note_all(state, rows, values)
        update = compute_rows(self.weights, state, rows, values)
        self._remember(state, rows, values, update)
        return values + update

    def update(
        self, state: FastReuseState, rows: ActiveTokens, values: torch.Tensor,
        thresholds: BlockThresholds,
    ) -> BlockUpdate:
        """Drop rows within the temporal threshold; reuse or compute the others."""
        rows, values = pass_changed(state, rows, values, thresholds.temporal)
        split = None if thresholds.task is None else self._reuse.split(
            state.base, state.reference, state.scale, rows, values, thresholds.task)
        if split is not None:
            return self._update_split(state, rows, values, split)
        if rows.total:
            update = compute_rows(self.weights, state, rows, values)
            self._remember(state, rows, values, update)
            values = values + update
        return BlockUpdate(rows, values, rows.counts)

    def _update_split(
        self, state: FastReuseState, rows: ActiveTokens, values: torch.Tensor, split: Split
    ) -> BlockUpdate:
        """Compute some rows and reuse the others."""
        computed, reused = rows.at(split.computed), ReusedTokens.of(rows, split.reused)
        update = torch.empty_like(values)
        if computed.total:
            inputs = values.index_select(0, split.computed)
            query = renew_keys(self.weights, state, computed, inputs)
            self._reuse.fill_keys(state.base, state.cache.rows, reused)
            own = finish_rows(self.weights, state, computed, inputs, query)
            self._remember(state, computed, inputs, own)
            update.index_copy_(0, split.computed, own)
        else:
            self._reuse.fill_keys(state.base, state.cache.rows, reused)
        update.index_copy_(0, split.reused, self._reuse.update(state.base, reused))
        return BlockUpdate(rows, update.add_(values), computed.counts, reused.index)

    def _remember(
        self, state: FastReuseState, rows: ActiveTokens, values: torch.Tensor, update: torch.Tensor
    ) -> None:
        self._reuse.remember(
            state.base, state.reference, state.cache.rows, rows, values, update)
