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
    What a fast block remembers, the tokens of all encoders one after another.

    ``reference`` (M x T, D) float32 is the input of a token when it was last computed; ``scale``
    (M,) is the spread of the references in the last whole frame, see ``gates.spread_of``.
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
        return tensor_bytes(self.cache.pairs, self.reference, self.scale)

    def by_token(self) -> list[torch.Tensor]:
        """Return the buffers whose rows are tokens."""
        return [self.cache.pairs, self.reference]


class FastBlock:
    """
    Computes the active tokens and overwrites their keys, values and references.

    Tokens that are not active keep their output although keys that they attended to may have
    changed; the refresh period limits for how long. From block to block tokens are only dropped,
    never added.
    """

    def __init__(self, weights: BlockWeights) -> None:
        self.weights = weights

    def allocate(self, token_count: int, device: torch.device) -> FastState:
        """Return buffers for T tokens."""
        return FastState.allocate(self.weights, token_count, device)

    def dense(self, state: FastState, active: ActiveTokens, values: torch.Tensor) -> torch.Tensor:
        """Compute every token of the encoders that have tokens, and remember them."""
        note_all(state, active, values)
        return values + compute_tokens(self.weights, state, active, values)

    def update(
        self, state: FastState, active: ActiveTokens, values: torch.Tensor,
        thresholds: BlockThresholds,
    ) -> BlockUpdate:
        """Compute the tokens that are forced or differ by more than the temporal threshold."""
        active, values = pass_changed(state, active, values, thresholds.temporal)
        if active.total:
            values = values + compute_tokens(self.weights, state, active, values)
        return BlockUpdate(active, values, active.counts)


def note_all(state: FastState, active: ActiveTokens, values: torch.Tensor) -> None:
    """Remember the input (n, D) of all tokens of the active encoders, and its spread."""
    state.reference.index_copy_(0, active.index, values)
    measure_spread(state.scale, active, values)


def pass_changed(
    state: FastState, active: ActiveTokens, values: torch.Tensor, threshold: torch.Tensor | None
) -> tuple[ActiveTokens, torch.Tensor]:
    """Return the tokens that exceed a temporal threshold (M,); remember their input."""
    if threshold is not None and not active.certain:
        places = _changed(state, active, values, threshold)
        if places.shape[0] < active.total:
            active, values = active.at(places), values.index_select(0, places)
    state.reference.index_copy_(0, active.index, values)
    return active, values


def compute_tokens(
    weights: BlockWeights, state: FastState, active: ActiveTokens, values: torch.Tensor
) -> torch.Tensor:
    """Return the residual update (n, D) of tokens; their keys and values are renewed first."""
    query = renew_keys(weights, state, active, values)
    return finish_tokens(weights, state, active, values, query)


def renew_keys(
    weights: BlockWeights, state: FastState, active: ActiveTokens, values: torch.Tensor
) -> torch.Tensor:
    """Overwrite the keys and values of tokens and return their queries (n, D)."""
    qkv = weights.project(values, active)
    state.cache.pairs.index_copy_(0, active.index, qkv[:, weights.width:])
    return qkv[:, :weights.width]


def finish_tokens(
    weights: BlockWeights, state: FastState, active: ActiveTokens, values: torch.Tensor,
    query: torch.Tensor,
) -> torch.Tensor:
    """Let queries (n, D) attend and return the residual update (n, D) of their tokens."""
    return weights.finish(values, state.cache.attend(query, active.counts), active.counts)


def _changed(
    state: FastState, active: ActiveTokens, values: torch.Tensor, threshold: torch.Tensor
) -> torch.Tensor:
    """Return the positions of tokens that are forced or differ by more than the threshold."""
    moved = distance(values, state.reference.index_select(0, active.index))
    return passes(moved, active.per_token(threshold * state.scale), active.forced).nonzero()[:, 0]


@dataclass
class FastReuseState(FastState):
    """What a fast block of several encoders remembers."""

    base: ReuseState

    @property
    def nbytes(self) -> int:
        """Bytes of the buffers."""
        return super().nbytes + self.base.nbytes

    def by_token(self) -> list[torch.Tensor]:
        """Return the buffers whose rows are tokens, those of reuse included."""
        return [*super().by_token(), *self.base.by_token()]


class FastReuseBlock:
    """A fast block in which the tokens of sub-tasks may be reused instead of computed."""

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
        self, state: FastReuseState, active: ActiveTokens, values: torch.Tensor
    ) -> torch.Tensor:
        """Compute every token of the encoders that have tokens, and remember them."""
        note_all(state, active, values)
        update = compute_tokens(self.weights, state, active, values)
        self._remember(state, active, values, update)
        return values + update

    def update(
        self, state: FastReuseState, active: ActiveTokens, values: torch.Tensor,
        thresholds: BlockThresholds,
    ) -> BlockUpdate:
        """Drop tokens within the temporal threshold; reuse or compute the others."""
        active, values = pass_changed(state, active, values, thresholds.temporal)
        split = None if thresholds.task is None else self._reuse.split(
            state.base, state.reference, state.scale, active, values, thresholds.task)
        if split is not None:
            return self._update_split(state, active, values, split)
        if active.total:
            update = compute_tokens(self.weights, state, active, values)
            self._remember(state, active, values, update)
            values = values + update
        return BlockUpdate(active, values, active.counts)

    def _update_split(
        self, state: FastReuseState, active: ActiveTokens, values: torch.Tensor, split: Split
    ) -> BlockUpdate:
        """Compute some tokens and reuse the others."""
        computed, reused = active.at(split.computed), ReusedTokens.of(active, split.reused)
        update = torch.empty_like(values)
        if computed.total:
            inputs = values.index_select(0, split.computed)
            query = renew_keys(self.weights, state, computed, inputs)
            # after the base task's new keys, and before the attention that reads all of them
            self._reuse.fill_keys(state.base, state.cache.pairs, reused)
            own = finish_tokens(self.weights, state, computed, inputs, query)
            self._remember(state, computed, inputs, own)
            update.index_copy_(0, split.computed, own)
        else:
            self._reuse.fill_keys(state.base, state.cache.pairs, reused)
        update.index_copy_(0, split.reused, self._reuse.update(state.base, reused))
        return BlockUpdate(active, update.add_(values), computed.counts, reused.index)

    def _remember(
        self, state: FastReuseState, active: ActiveTokens, values: torch.Tensor,
        update: torch.Tensor,
    ) -> None:
        self._reuse.remember(
            state.base, state.reference, state.cache.pairs, active, values, update)
