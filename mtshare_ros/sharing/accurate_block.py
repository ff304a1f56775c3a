"""The accurate incremental block: no row's attention goes stale, and each module has a gate."""

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
    What a module was last fed with: ``reference`` (M x T, D) float32.

    ``scale`` (M,) is the references' spread at the last dense frame.
    """

    reference: torch.Tensor
    scale: torch.Tensor

    @classmethod
    def allocate(cls, encoders: int, like: torch.Tensor) -> 'ModuleGate':
        """Return a gate for rows ``like`` these (M x T, D)."""
        return cls(torch.zeros_like(like), like.new_ones(encoders))

    @property
    def nbytes(self) -> int:
        """Bytes of the buffers."""
        return tensor_bytes(self.reference, self.scale)

    def start(self, rows: ActiveTokens, values: torch.Tensor) -> None:
        """Remember all rows (n, D) of the encoders that have some, and measure their spread."""
        self.reference.index_copy_(0, rows.index, values)
        measure_spread(self.scale, rows, values)

    def moved(
        self, rows: ActiveTokens, values: torch.Tensor, threshold: torch.Tensor | None
    ) -> torch.Tensor:
        """
        Return a mask (n,) of the rows (n, D) that are forced or exceed a threshold (M,).

        A negative threshold lets every row pass. None stands for 0, which here is exact: a row
        whose input is equal to the last one has an equal result, for attention never goes stale.
        """
        reference = _pick(self.reference, rows)
        if threshold is None:
            mask = (values - reference).ne(0).any(dim=1)
            return mask if rows.forced is None else mask | rows.forced
        bound = rows.per_row(threshold * self.scale)
        return passes(distance(values, reference), bound, rows.forced)


@dataclass
class AccurateState:
    """
    What an accurate block remembers, the rows of all encoders one after another.

    ``attended`` and ``expanded`` (M x T, D) float32 are the residual updates of attention and MLP.
    The reference of the ``entry`` gate is the block's input in use.
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
    Computes each module for the rows whose input to it moved, and keeps its other results.

    The modules are qkv, the projection after attention, and the MLP; what counts is the distance
    to the module's last input, so errors do not grow with time. Attention of every row follows
    every changed key, so rows may join that did not come in. Forced rows pass every gate. Without
    a temporal threshold the result is that of a dense block. Rows are never reused from the base
    task: ``BlockThresholds.task`` is for the fast block.
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
        self, state: AccurateState, rows: ActiveTokens, values: torch.Tensor
    ) -> torch.Tensor:
        """Compute every row of the encoders that have rows, and remember them."""
        state.entry.start(rows, values)
        self._attend(state, rows, values)
        mixed = _pick(state.attention.mixed, rows)
        state.mixing.start(rows, mixed)
        self._project(state, rows, mixed)
        widened = values + state.attended.index_select(0, rows.index)
        state.expansion.start(rows, widened)
        self._expand(state, rows, widened)
        return widened + state.expanded.index_select(0, rows.index)

    def update(
        self, state: AccurateState, rows: ActiveTokens, values: torch.Tensor,
        thresholds: BlockThresholds,
    ) -> BlockUpdate:
        """Return the rows whose output changed: some may have dropped out, others joined."""
        if thresholds.temporal is not None:
            places = state.entry.moved(rows, values, thresholds.temporal).nonzero()[:, 0]
            rows, values = rows.at(places), values.index_select(0, places)
        if rows.total == 0:
            return BlockUpdate(rows, values, rows.counts)
        state.entry.reference.index_copy_(0, rows.index, values)
        self._attend(state, rows, values)
        changed = self._mix(state, rows, thresholds.temporal)
        values = state.entry.reference.index_select(0, changed.index)
        values.add_(state.attended.index_select(0, changed.index))
        places = state.expansion.moved(changed, values, thresholds.temporal).nonzero()[:, 0]
        self._expand(state, changed.at(places), values.index_select(0, places))
        values.add_(state.expanded.index_select(0, changed.index))
        return BlockUpdate(changed, values, changed.counts)

    def _attend(self, state: AccurateState, rows: ActiveTokens, values: torch.Tensor) -> None:
        """Let the attention of all rows follow the new inputs (n, D) of some."""
        query, key, value = self.weights.project(values, rows).chunk(3, dim=1)
        start = 0
        for memory, count in zip(state.encoders, rows.counts):
            own = slice(start, start + count)
            memory.renew(rows.tokens[own], query[own], key[own], value[own])
            start += count

    def _mix(
        self, state: AccurateState, rows: ActiveTokens, threshold: torch.Tensor | None
    ) -> ActiveTokens:
        """Project what attention moved; return those rows and the ones that came in."""
        every = _rows_of_encoders(rows)
        mixed = _pick(state.attention.mixed, every)
        mask = state.mixing.moved(every, mixed, threshold)
        places = mask.nonzero()[:, 0]
        self._project(state, every.at(places), mixed.index_select(0, places))
        mask.index_fill_(0, torch.searchsorted(every.index, rows.index), True)
        return every.at(mask.nonzero()[:, 0])

    def _project(self, state: AccurateState, rows: ActiveTokens, mixed: torch.Tensor) -> None:
        state.mixing.reference.index_copy_(0, rows.index, mixed)
        update = self.weights.proj(mixed, rows.counts)
        state.attended.index_copy_(0, rows.index, update.to(state.attended.dtype))

    def _expand(self, state: AccurateState, rows: ActiveTokens, values: torch.Tensor) -> None:
        state.expansion.reference.index_copy_(0, rows.index, values)
        update = self.weights.mlp(values, rows.counts)
        state.expanded.index_copy_(0, rows.index, update.to(state.expanded.dtype))


def _rows_of_encoders(rows: ActiveTokens) -> ActiveTokens:
    """Return all rows of the encoders that have some in a list; what is forced stays so."""
    counts = tuple(rows.token_count if count else 0 for count in rows.counts)
    device = rows.index.device
    index = torch.cat([
        torch.arange(encoder * count, (encoder + 1) * count, device=device)
        for encoder, count in enumerate(counts)])
    marks = rows.marks
    if marks is not None and rows.forced is not None:
        marks = torch.zeros_like(marks).index_copy_(0, rows.index, rows.forced)
    return replace(rows, index=index, counts=counts, marks=marks)


def _pick(buffer: torch.Tensor, rows: ActiveTokens) -> torch.Tensor:
    """Return the rows (n, D) of a buffer (M x T, D): the buffer itself where all are listed."""
    everything = rows.total == buffer.shape[0]
    return buffer if everything else buffer.index_select(0, rows.index)
