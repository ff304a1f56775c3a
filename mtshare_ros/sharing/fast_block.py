"""The fast incremental block: active queries against all cached keys and values."""

from dataclasses import dataclass

import torch

from mtshare_ros.sharing.active_tokens import ActiveTokens
from mtshare_ros.sharing.attention import KeyValueCache
from mtshare_ros.sharing.block import BlockUpdate, BlockWeights, measure_spread
from mtshare_ros.sharing.gates import BlockThresholds, distance, passes
from mtshare_ros.sharing.memory import tensor_bytes
from mtshare_ros.sharing.reuse import ReusedTokens, ReuseRule, ReuseState, Split


@dataclass
class FastState:
    """
    What a fast block remembers, the rows of all encoders one after another.

    ``reference`` (M x T, D) float32 is the input of a row when it was last processed; ``scale``
    (M,) the references' spread at the last dense frame: what all rows have in common says nothing
    of how much one of them changed.
    """

    cache: KeyValueCache
    reference: torch.Tensor
    scale: torch.Tensor

    @classmethod
    def allocate(
        cls, weights: BlockWeights, token_count: int, device: torch.device
    ) -> 'FastState':
        """Return empty buffers for T tokens."""
        encoders, width = weights.encoders, weights.width
        return cls(KeyValueCache.allocate(encoders, token_count, width, weights.heads,
                                          weights.dtype, device),
                   reference=torch.zeros(encoders * token_count, width, device=device),
                   scale=torch.ones(encoders, device=device))

    @property
    def nbytes(self) -> int:
        """Bytes of the buffers."""
        return tensor_bytes(self.cache.rows, self.reference, self.scale)

    def by_row(self) -> list[torch.Tensor]:
        """Return the buffers that have one row, or several, for each token."""
        return [self.cache.rows, self.reference]


class FastBlock:
    """
    Gathers the active rows, computes them, overwrites their keys, values and references.

    Rows that are not active keep their output although keys they attended to may have changed:
    refresh bounds for how long. The active set only shrinks from block to block.
    """

    def __init__(self, weights: BlockWeights) -> None:
        self.weights = weights

    def allocate(self, token_count: int, device: torch.device) -> FastState:
        """Return buffers for T tokens."""
        return FastState.allocate(self.weights, token_count, device)

    def dense(self, state: FastState, rows: ActiveTokens, values: torch.Tensor) -> torch.Tensor:
        """Compute every row of the encoders that have rows, and remember them."""
        note_all(state, rows, values)
        return values + compute_rows(self.weights, state, rows, values)

    def update(
        self, state: FastState, rows: ActiveTokens, values: torch.Tensor,
        thresholds: BlockThresholds,
    ) -> BlockUpdate:
        """Compute the rows that are forced or differ by more than the temporal threshold."""
        rows, values = pass_changed(state, rows, values, thresholds.temporal)
        if rows.total:
            values = values + compute_rows(self.weights, state, rows, values)
        return BlockUpdate(rows, values, rows.counts)


def note_all(state: FastState, rows: ActiveTokens, values: torch.Tensor) -> None:
    """Note the input (n, D) of all rows of the encoders that have some, and its spread."""
    state.reference.index_copy_(0, rows.index, values)
    measure_spread(state.scale, rows, values)


def pass_changed(
    state: FastState, rows: ActiveTokens, values: torch.Tensor, threshold: torch.Tensor | None
) -> tuple[ActiveTokens, torch.Tensor]:
    """Return the rows, with their values, beyond a temporal threshold (M,); note their input."""
    if threshold is not None and not rows.certain:
        places = _changed(state, rows, values, threshold)
        if places.shape[0] < rows.total:
            rows, values = rows.at(places), values.index_select(0, places)
    state.reference.index_copy_(0, rows.index, values)
    return rows, values


def compute_rows(
    weights: BlockWeights, state: FastState, rows: ActiveTokens, values: torch.Tensor
) -> torch.Tensor:
    """Return the residual update (n, D) of rows; their keys and values are renewed first."""
    query = renew_keys(weights, state, rows, values)
    return finish_rows(weights, state, rows, values, query)


def renew_keys(
    weights: BlockWeights, state: FastState, rows: ActiveTokens, values: torch.Tensor
) -> torch.Tensor:
    """Overwrite the keys and values of rows and return their queries (n, D)."""
    qkv = weights.project(values, rows)
    state.cache.rows.index_copy_(0, rows.index, qkv[:, weights.width:])
    return qkv[:, :weights.width]


def finish_rows(
    weights: BlockWeights, state: FastState, rows: ActiveTokens, values: torch.Tensor,
    query: torch.Tensor,
) -> torch.Tensor:
    """Let queries (n, D) attend and return the residual update (n, D) of their rows."""
    return weights.finish(values, state.cache.attend(query, rows.counts), rows.counts)


def _changed(
    state: FastState, rows: ActiveTokens, values: torch.Tensor, threshold: torch.Tensor
) -> torch.Tensor:
    """Return the positions of rows that are forced or differ by more than the threshold."""
    moved = distance(values, state.reference.index_select(0, rows.index))
    return passes(moved, rows.per_row(threshold * state.scale), rows.forced).nonzero()[:, 0]


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
