"""The accurate incremental block: attention is exact for every token, each module has a gate."""

from dataclasses import dataclass, replace

import torch

from mtshare_ros.sharing.active_tokens import ActiveTokens
from mtshare_ros.sharing.attention import AttentionMemory
from mtshare_ros.sharing.block import BlockUpdate, BlockWeights, measure_spread
from mtshare_ros.sharing.gates import BlockThresholds, distance, passes
from mtshare_ros.sharing.memory import tensor_bytes


@dataclass(frozen=True)
class ModuleGate:
    """
    The last input of a module: ``reference`` (M x T, D) float32.

    ``scale`` (M,) is the references' spread at the last dense frame.
    """

    reference: torch.Tensor
    scale: torch.Tensor

    @classmethod
    def allocate(cls, encoders: int, like: torch.Tensor) -> 'ModuleGate':
        """Return a gate for tokens ``like`` these (M x T, D)."""
        return cls(torch.zeros_like(like), like.new_ones(encoders))

    @property
    def nbytes(self) -> int:
        """Bytes of the buffers."""
        return tensor_bytes(self.reference, self.scale)

    def start(self, active: ActiveTokens, values: torch.Tensor) -> None:
        """Remember all tokens (n, D) of the encoders that have some, and measure their spread."""
        self.reference.index_copy_(0, active.index, values)
        measure_spread(self.scale, active, values)

    def moved(
        self, active: ActiveTokens, values: torch.Tensor, threshold: torch.Tensor | None
    ) -> torch.Tensor:
        """
        Return a mask (n,) of the tokens (n, D) that are forced or exceed a threshold (M,).

        A negative threshold lets every token pass. None means 0, which is exact here: attention is
        up to date for every token, so equal inputs have equal results.
        """
        reference = _pick(self.reference, active)
        if threshold is None:
            mask = (values - reference).ne(0).any(dim=1)
            return mask if active.forced is None else mask | active.forced
        bound = active.per_token(threshold * self.scale)
        return passes(distance(values, reference), bound, active.forced)


@dataclass
class AccurateState:
    """
    What an accurate block remembers, the tokens of all encoders one after another.

    ``attended`` and ``expanded`` (M x T, D) float32 are the residual updates of attention and MLP.
    The reference of the ``entry`` gate is the input that the block last computed with.
    """

    attention: AttentionMemory
    encoders: tuple[AttentionMemory, ...]
    entry: ModuleGate
    mixing: ModuleGate
    expansion: ModuleGate
    attended: torch.Tensor
    expanded: torch.Tensor

    @property
    def nbytes(self) -> int:
        """Bytes of the buffers."""
        gates = sum(gate.nbytes for gate in (self.entry, self.mixing, self.expansion))
        return gates + self.attention.nbytes + tensor_bytes(self.attended, self.expanded)


class AccurateBlock:
    """
    Computes each module for the tokens whose input to it changed, and keeps its other results.

    The modules are qkv, the projection after attention, and the MLP. A change is the distance to
    the input that the module last used, so errors do not grow with time. Attention of every token
    is updated for every changed key, so tokens may become active in a block that were not before
    it. Forced tokens pass every gate. Without a temporal threshold the result is that of a dense
    block. Tokens are never reused from the base task: ``BlockThresholds.task`` is for the fast
    block.
    """

    def __init__(self, weights: BlockWeights) -> None:
        self.weights = weights

    def allocate(self, token_count: int, device: torch.device) -> AccurateState:
        """Return buffers for T tokens."""
        weights = self.weights
        memory = AttentionMemory.allocate(
            weights.encoders * token_count, weights.width, weights.heads, weights.dtype, device)
        starts = range(0, weights.encoders * token_count, token_count)
        entry, mixing, expansion = (
            ModuleGate.allocate(weights.encoders, memory.mixed) for _ in range(3))
        return AccurateState(
            memory, tuple(memory.part(start, start + token_count) for start in starts),
            entry, mixing, expansion,
            torch.zeros_like(memory.mixed), torch.zeros_like(memory.mixed))

    def dense(
        self, state: AccurateState, active: ActiveTokens, values: torch.Tensor
    ) -> torch.Tensor:
        """Compute every token of the encoders that have tokens, and remember them."""
        state.entry.start(active, values)
        self._attend(state, active, values)
        mixed = _pick(state.attention.mixed, active)
        state.mixing.start(active, mixed)
        self._project(state, active, mixed)
        widened = values + state.attended.index_select(0, active.index)
        state.expansion.start(active, widened)
        self._expand(state, active, widened)
        return widened + state.expanded.index_select(0, active.index)

    def update(
        self, state: AccurateState, active: ActiveTokens, values: torch.Tensor,
        thresholds: BlockThresholds,
    ) -> BlockUpdate:
        """Return the tokens whose output changed; some may have been dropped, others added."""
        if thresholds.temporal is not None:
            places = state.entry.moved(active, values, thresholds.temporal).nonzero()[:, 0]
            active, values = active.at(places), values.index_select(0, places)
        if active.total == 0:
            return BlockUpdate(active, values, active.counts)
        state.entry.reference.index_copy_(0, active.index, values)
        self._attend(state, active, values)
        changed = self._mix(state, active, thresholds.temporal)
        values = state.entry.reference.index_select(0, changed.index)
        values.add_(state.attended.index_select(0, changed.index))
        places = state.expansion.moved(changed, values, thresholds.temporal).nonzero()[:, 0]
        self._expand(state, changed.at(places), values.index_select(0, places))
        values.add_(state.expanded.index_select(0, changed.index))
        return BlockUpdate(changed, values, changed.counts)

    def _attend(self, state: AccurateState, active: ActiveTokens, values: torch.Tensor) -> None:
        """Update the attention of all tokens for the new inputs (n, D) of some."""
        query, key, value = self.weights.project(values, active).chunk(3, dim=1)
        start = 0
        for memory, count in zip(state.encoders, active.counts):
            own = slice(start, start + count)
            memory.renew(active.positions[own], query[own], key[own], value[own])
            start += count

    def _mix(
        self, state: AccurateState, active: ActiveTokens, threshold: torch.Tensor | None
    ) -> ActiveTokens:
        """Project the tokens whose attention changed; return these and the active ones."""
        every = _all_tokens(active)
        mixed = _pick(state.attention.mixed, every)
        mask = state.mixing.moved(every, mixed, threshold)
        places = mask.nonzero()[:, 0]
        self._project(state, every.at(places), mixed.index_select(0, places))
        # the input of these changed, so their output does even if their attention did not
        mask.index_fill_(0, torch.searchsorted(every.index, active.index), True)
        return every.at(mask.nonzero()[:, 0])

    def _project(self, state: AccurateState, active: ActiveTokens, mixed: torch.Tensor) -> None:
        state.mixing.reference.index_copy_(0, active.index, mixed)
        update = self.weights.proj(mixed, active.counts)
        state.attended.index_copy_(0, active.index, update.to(state.attended.dtype))

    def _expand(self, state: AccurateState, active: ActiveTokens, values: torch.Tensor) -> None:
        state.expansion.reference.index_copy_(0, active.index, values)
        update = self.weights.mlp(values, active.counts)
        state.expanded.index_copy_(0, active.index, update.to(state.expanded.dtype))


def _all_tokens(active: ActiveTokens) -> ActiveTokens:
    """Return all tokens of the active encoders; forced tokens stay forced."""
    counts = tuple(active.token_count if count else 0 for count in active.counts)
    device = active.index.device
    index = torch.cat([
        torch.arange(encoder * count, (encoder + 1) * count, device=device)
        for encoder, count in enumerate(counts)])
    marks = active.marks
    if marks is not None and active.forced is not None:
        marks = torch.zeros_like(marks).index_copy_(0, active.index, active.forced)
    return replace(active, index=index, counts=counts, marks=marks)


def _pick(buffer: torch.Tensor, active: ActiveTokens) -> torch.Tensor:
    """Return the active tokens (n, D) of a buffer (M x T, D), without a copy if all are active."""
    everything = active.total == buffer.shape[0]
    return buffer if everything else buffer.index_select(0, active.index)
