"""The transformer on lists of tokens: blocks that all tasks share, then each task's own."""

import copy
from dataclasses import dataclass
from typing import Any, Sequence

import torch
from torch.nn import functional

from mtshare_ros.model.backbone import RotaryTable
from mtshare_ros.model.network import MultiTaskNetwork
from mtshare_ros.sharing.active_tokens import ActiveTokens, RotationTable
from mtshare_ros.sharing.block import AloneBlock, BlockWeights, IncrementalBlock
from mtshare_ros.sharing.fast_block import FastBlock, FastReuseBlock
from mtshare_ros.sharing.gates import BlockThresholds
from mtshare_ros.sharing.linear import MOST_APPENDED
from mtshare_ros.sharing.memory import AUTO, tensor_bytes
from mtshare_ros.sharing.stem import StemState
from mtshare_ros.sharing.taps import HeadInputs, TapState, TapTable

ALONE = 'alone'
"""The kind of block of single images; users choose among the other kinds."""


def make_block(kind: str, weights: BlockWeights) -> IncrementalBlock:
    """Return a ``fast``, an ``accurate`` or an ``alone`` block around the weights."""
    if kind == ALONE:
        return AloneBlock(weights)
    if kind == 'accurate':
        # imported here: it is not the default, and nothing else needs its module
        from mtshare_ros.sharing.accurate_block import AccurateBlock
        return AccurateBlock(weights)
    return FastBlock(weights) if weights.encoders == 1 else FastReuseBlock(weights)


@dataclass
class TransformerState:
    """
    What the transformer remembers of one camera, for a grid of N patches, T tokens and M encoders.

    ``prefix_index`` (P,) are the tokens after the patches. ``trunk`` (T, D) float32 is the output
    of the shared blocks; ``taps`` is what heads read.
    """

    patch_count: int
    token_count: int
    prefix_index: torch.Tensor
    rotations: RotationTable | None
    position: torch.Tensor | None
    shared: list[Any]
    own: list[Any]
    trunk: torch.Tensor
    taps: TapState

    @property
    def prefix(self) -> int:
        """P = T - N, the number of tokens that have no patch."""
        return self.prefix_index.shape[0]

    @property
    def nbytes(self) -> int:
        """Bytes of the buffers."""
        states = sum(state.nbytes for state in (*self.shared, *self.own))
        return states + tensor_bytes(self.trunk) + self.taps.nbytes

    def by_token(self) -> list[torch.Tensor]:
        """Return all buffers, (copies x T, ...) each; only for blocks whose memory is by token."""
        buffers = [self.trunk, *self.taps.buffers.values()]
        for state in (*self.shared, *self.own):
            buffers += state.by_token()
        return [buffer for buffer in buffers if buffer.shape[0]]

    def with_prefix(self, mask: torch.Tensor) -> torch.Tensor:
        """Return a mask (N,) bool of patches as one of tokens (T,) in which the prefix is true."""
        return functional.pad(mask, (0, self.prefix), value=True) if self.prefix else mask


@dataclass(frozen=True)
class StageRun:
    """
    What consecutive blocks did in a frame.

    ``active`` are the tokens that left the last block. By block and encoder, ``passed`` counts the
    patches that passed the gate and ``computed`` those of them that were not reused. ``reused``
    are the tokens that the last block reused; ``tapped`` are the tokens that left each block which
    heads read.
    """

    active: ActiveTokens
    passed: tuple[tuple[int, ...], ...]
    computed: tuple[tuple[int, ...], ...]
    macs: int
    tapped: dict[int, ActiveTokens]
    reused: torch.Tensor | None = None


class TransformerWeights:
    """The blocks of a network, prepared for lists of tokens: shared and own ones."""

    def __init__(
        self, network: MultiTaskNetwork, dtype: torch.dtype, layout: str = AUTO
    ) -> None:
        self.network, self.dtype = network, dtype
        self._layout = layout
        self.encoders = (network.base_task, *network.branches)
        self.device = next(network.parameters()).device
        self.shared = [BlockWeights([block], dtype, layout) for block in network.shared_blocks]
        self.own = self._own_blocks(MOST_APPENDED)
        self.taps = TapTable(network, self.encoders)

    def plain(self) -> 'TransformerWeights':
        """Return the same weights without appended features, one matrix per encoder."""
        other = copy.copy(self)
        other.own = self._own_blocks(0)
        return other

    def _own_blocks(self, most_appended: float) -> list[BlockWeights]:
        encoders = (self.network.own_blocks(encoder) for encoder in self.encoders)
        return [BlockWeights(blocks, self.dtype, self._layout, most_appended)
                for blocks in zip(*encoders)]


class TransformerRunner:
    """
    Runs the transformer of a network on all tokens or on some; it holds weights only.

    The encoders are the base task and the sub-tasks that have blocks of their own. ``kind`` is
    that of the blocks, see ``make_block``.
    """

    def __init__(self, weights: TransformerWeights, kind: str) -> None:
        self.kind, self.encoders, self.device = kind, weights.encoders, weights.device
        self._network, self._dtype, self.taps = weights.network, weights.dtype, weights.taps
        self._prefix = prefix_of(weights.network)
        self.shared = [make_block(kind, item) for item in weights.shared]
        self.own = [make_block(kind, item) for item in weights.own]

    def number_of(self, task: str) -> int:
        """Return the number of the encoder whose tokens a task's head reads."""
        return self.encoders.index(self._network.encoder_of(task))

    def allocate(self, grid: tuple[int, int]) -> TransformerState:
        """Return empty buffers for a (rows, columns) grid."""
        patches, width = grid[0] * grid[1], self._network.config.embed_dim
        count = patches + self._prefix.shape[0]
        table = self._network.rotary(grid, self.device)
        return TransformerState(
            patches, count, torch.arange(patches, count, device=self.device),
            None if table is None else self.rotation_table(table),
            self._position(grid),
            [block.allocate(count, self.device) for block in self.shared],
            [block.allocate(count, self.device) for block in self.own],
            torch.zeros(count if self.own else 0, width, device=self.device),
            self.taps.allocate(patches, count, self.device),
        )

    def rotary_beyond(
        self, grid: tuple[int, int], patches: torch.Tensor, view: tuple[int, int]
    ) -> RotaryTable | None:
        """Return the rotations of patches (n, 2) beyond a grid; see ``position.rotary_beyond``."""
        return self._network.rotary_beyond(grid, patches, view)

    def rotation_table(self, table: RotaryTable) -> RotationTable:
        """Return rotations of all tokens in the runner's dtype."""
        return RotationTable(table, self._dtype)

    def active_tokens(
        self, state: TransformerState, patches: Sequence[torch.Tensor | None],
        forced: torch.Tensor | None = None,
    ) -> ActiveTokens:
        """
        Return the active tokens for sorted patches (n,) of each encoder.

        None means that an encoder does not run. The prefix tokens of the other encoders are added
        to their patches; no gate drops them, nor the ``forced`` (N,) bool patches.
        """
        index, counts = _listed(patches, state)
        if forced is None and state.prefix:
            forced = torch.zeros(state.patch_count, dtype=torch.bool, device=index.device)
        marks = None if forced is None else state.with_prefix(forced).repeat(len(patches))
        return ActiveTokens(index, counts, state.token_count, marks, state.rotations, state.prefix)

    def embed(self, state: TransformerState, tokens: torch.Tensor, index: torch.Tensor
              ) -> torch.Tensor:
        """Return the first block's float32 input for stem tokens (n, D) of patches (n,)."""
        tokens = tokens.float()
        if state.position is not None:
            tokens = tokens + state.position.index_select(0, index)
        return torch.cat((tokens, self._prefix)) if state.prefix and index.shape[0] else tokens

    def run_shared(
        self, state: TransformerState, active: ActiveTokens, values: torch.Tensor,
        thresholds: Sequence[BlockThresholds] | None, due: torch.Tensor | None = None,
    ) -> StageRun:
        """
        Run the shared blocks on tokens (n, D); without thresholds all are computed.

        ``due`` (N,) bool, if given, replaces the forced patches after the first block, which
        alone must not drop the patches of a halo.
        """
        due = None if due is None else state.with_prefix(due)
        stage = _Stage(self.shared, state.shared, self.taps, state.taps)
        values, run = stage.run(active, values, thresholds, due)
        if self.own:
            state.trunk.index_copy_(0, run.active.index, values)
        return run

    def run_own(
        self, state: TransformerState, active: ActiveTokens,
        thresholds: Sequence[BlockThresholds] | None,
    ) -> StageRun:
        """Run every encoder's own blocks on the output of the shared blocks."""
        values = state.trunk.index_select(0, active.positions)
        stage = _Stage(self.own, state.own, self.taps, state.taps, len(self.shared))
        return stage.run(active, values, thresholds)[1]

    def head_inputs(self, state: TransformerState, task: str, stem: StemState) -> HeadInputs:
        """Return what a task's head reads."""
        encoder, taps = self.number_of(task), self.taps.of(task)
        return HeadInputs(tuple(state.taps.patches(tap, encoder) for tap in taps),
                          tuple(state.taps.prefix(tap, encoder) for tap in taps), stem)

    def _position(self, grid: tuple[int, int]) -> torch.Tensor | None:
        if self._network.config.position != 'absolute':
            return None
        return self._network.position(grid)[0].float()


def prefix_of(network: MultiTaskNetwork) -> torch.Tensor:
    """Return the class and register tokens (P, D), the same in every frame."""
    if network.config.prefix_tokens:
        return network.prefix.tokens.detach().float()
    return network.norm.weight.new_empty(0, network.config.embed_dim)


def _listed(
    patches: Sequence[torch.Tensor | None], state: TransformerState
) -> tuple[torch.Tensor, tuple[int, ...]]:
    """Return the indices of patches and prefix tokens as one list, and the count per encoder."""
    pieces = []
    for encoder, listed in enumerate(patches):
        if listed is not None:
            start = encoder * state.token_count
            pieces.append(listed + start if start else listed)
            if state.prefix:
                pieces.append(state.prefix_index + start)
    counts = tuple(0 if listed is None else listed.shape[0] + state.prefix for listed in patches)
    if len(pieces) == 1:
        return pieces[0], counts
    return torch.cat(pieces) if pieces else state.prefix_index[:0], counts


@dataclass(frozen=True)
class _Stage:
    """Consecutive blocks that follow ``before`` others, with what they remember of a camera."""

    blocks: Sequence[IncrementalBlock]
    states: Sequence[Any]
    taps: TapTable
    tap_state: TapState
    before: int = 0

    def run(
        self, active: ActiveTokens, values: torch.Tensor,
        thresholds: Sequence[BlockThresholds] | None,
        due: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, StageRun]:
        """Run tokens (n, D) through the blocks; return the output and what was done."""
        passed, computed, macs, tapped = [], [], 0, {}
        reused: torch.Tensor | None = None
        for number, (block, state) in enumerate(zip(self.blocks, self.states)):
            if active.total == 0:
                done, reused = active.counts, None
            elif thresholds is None:
                values = block.dense(state, active, values)
                done = active.counts
            else:
                update = block.update(state, active, values, thresholds[number])
                active, values, done, reused = (
                    update.active, update.values, update.computed, update.reused)
            if due is not None and number == 0:
                active = active.mark(due)
            passed.append(active.patch_counts)
            computed.append(active.patches_among(done))
            macs += block.weights.macs(done, active.token_count)
            behind = self.before + number + 1
            if behind in self.taps.blocks:
                self.taps.write(self.tap_state, behind, active, values)
                tapped[behind] = active
        return values, StageRun(active, tuple(passed), tuple(computed), macs, tapped, reused)
