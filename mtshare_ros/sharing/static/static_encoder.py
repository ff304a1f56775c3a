"""The transformer on lists of tokens: shared blocks, then those of each encoder."""

from dataclasses import dataclass
from typing import Sequence

import torch

from mtshare_ros.config import require
from mtshare_ros.model.network import MultiTaskNetwork
from mtshare_ros.sharing.active_tokens import RotationTable
from mtshare_ros.sharing.memory import tensor_bytes
from mtshare_ros.sharing.static.operators import Operators, PLAIN
from mtshare_ros.sharing.static.plain_steps import embed
from mtshare_ros.sharing.static.static_block import Rows, Stage, StaticBlock, StaticTaps, Taps
from mtshare_ros.sharing.static.static_reuse import Reuse
from mtshare_ros.sharing.transformer import prefix_of


@dataclass(frozen=True)
class StaticTransformerState:
    """
    What the transformer remembers of one camera, for N patches, T tokens and M encoders.

    ``every`` (T,) are all tokens; ``rotation`` (T, 2, head_dim) and ``position`` (N, D) float32
    are their positions, None where the network has none of that kind. ``reference`` (N, D) float32
    is the input of the first block when a patch was last computed; ``trunk`` (T, D) float32 the
    output of the last shared block when the sub-tasks last computed a token, None without reuse.
    ``shared`` and ``own`` (blocks, M, T, 2D) are the keys and values of the blocks, ``taps`` is
    what heads read, see ``StaticTaps``.
    """

    patch_count: int
    every: torch.Tensor
    rotation: torch.Tensor | None
    position: torch.Tensor | None
    reference: torch.Tensor
    trunk: torch.Tensor | None
    shared: tuple[torch.Tensor, ...]
    own: torch.Tensor
    taps: dict[Taps, torch.Tensor]

    @property
    def nbytes(self) -> int:
        """Bytes of the buffers."""
        trunk = () if self.trunk is None else (self.trunk,)
        return tensor_bytes(self.reference, *trunk, *self.shared, self.own, *self.taps.values())

    @property
    def prefix_index(self) -> torch.Tensor:
        """The prefix tokens (P,), which come after the patches."""
        return self.every[self.patch_count:]

    def rows(self, taps: Taps, encoder: int) -> torch.Tensor:
        """Return what an encoder's tokens (T, taps x D) are at some taps, patches first."""
        buffer = self.taps[taps]
        return buffer[encoder if buffer.shape[0] > 1 else 0]


class StaticTransformer:
    """
    The encoders of some tasks, their blocks stacked; holds weights only.

    ``encoders`` are those that the tasks use, see ``MultiTaskNetwork.encoder_of``. Products are in
    ``dtype``, tokens and the statistics of norms in float32; ``operators`` are the steps that one
    kernel can do. With ``reuse`` above 1, sub-tasks compute one token of so many that the base
    task computes, see ``Reuse``; without the base task among the encoders it has no effect.
    """

    def __init__(
        self, network: MultiTaskNetwork, tasks: Sequence[str], dtype: torch.dtype,
        operators: Operators = PLAIN, *, reuse: int = 1,
    ) -> None:
        require(reuse >= 1, 'reuse', reuse, '1 or more')
        self._network, self._dtype, self._operators = network, dtype, operators
        self._device = next(network.parameters()).device
        self._prefix = prefix_of(network)
        self.encoders = encoders_of(network, tasks)
        self._taps = StaticTaps(network, tasks, self.encoders, dtype, operators)
        shared = [StaticBlock([block], dtype, operators) for block in network.shared_blocks]
        blocks = list(zip(*(network.own_blocks(encoder) for encoder in self.encoders)))
        self._reuse = None
        if reuse > 1 and blocks and len(self.encoders) > 1 and network.base_task in self.encoders:
            self._reuse = Reuse(blocks, reuse, self._taps, len(shared), dtype, operators)
            # views of the same weights: whole frames need no second copy of them
            own = self._reuse.plain
        else:
            own = [StaticBlock(encoders, dtype, operators) for encoders in blocks]
        final = self._taps.norm
        norms = [*(block.norm for block in (*shared, *own)), final]
        self._first = norms[0]
        self._shared = Stage(shared, norms[:len(shared) + 1], self._taps, final)
        self._own = Stage(own, norms[len(shared):], self._taps, final, len(shared))

    def number_of(self, task: str) -> int:
        """Return the number of the encoder whose tokens a task's head reads."""
        return self.encoders.index(self._network.encoder_of(task))

    def taps_of(self, task: str) -> Taps:
        """Return the taps of a task's head, in the order in which it reads them."""
        return self._taps.of(task)

    def macs(self, grid: tuple[int, int], patches: int) -> int:
        """Return the multiply-accumulates of an update that computes so many patches of a grid."""
        own = self._reuse.stage if self._reuse else self._own
        return self._macs(grid, patches, own)

    def dense_macs(self, grid: tuple[int, int]) -> int:
        """Return the multiply-accumulates of a whole frame."""
        return self._macs(grid, grid[0] * grid[1], self._own)

    def allocate(self, grid: tuple[int, int]) -> StaticTransformerState:
        """Return empty buffers for a (rows, columns) grid; ``dense`` must run first."""
        patches, width, device = grid[0] * grid[1], self._network.config.embed_dim, self._device
        count = patches + self._prefix.shape[0]
        table = self._network.rotary(grid, device)
        own = (len(self._own.blocks), len(self.encoders), count, 2 * width)
        return StaticTransformerState(
            patches, torch.arange(count, device=device),
            None if table is None else RotationTable(table, self._dtype).stacked,
            self._position(grid),
            torch.zeros(patches, width, device=device),
            torch.full((count, width), torch.inf, device=device) if self._reuse else None,
            tuple(torch.zeros(1, count, 2 * width, dtype=self._dtype, device=device)
                  for _ in self._shared.blocks),
            torch.zeros(own, dtype=self._dtype, device=device),
            self._taps.allocate(count, device),
        )

    def dense(self, state: StaticTransformerState, tokens: torch.Tensor) -> None:
        """Compute all patches from stem tokens (N, D)."""
        patches = state.every[:state.patch_count]
        tokens = embed(tokens, state.position, patches)
        _, values, normed = self._take(state, tokens, patches, None)
        rows = Rows(state.every, state.rotation)
        values, normed = self._shared.run(state.shared, state.taps, rows, values, normed)
        if state.trunk is not None:
            state.trunk.copy_(values[0])
        self._own.run(state.own, state.taps, rows, values, normed)

    def update(
        self, state: StaticTransformerState, tokens: torch.Tensor, patches: torch.Tensor,
        forced: torch.Tensor, kept: int,
    ) -> torch.Tensor:
        """
        Compute ``kept`` of the patches (n,) from their stem tokens (n, D), and return those.

        They are the ``forced`` ones (n,) bool, then those whose tokens differ most from what they
        were when they were last computed. Entries that repeat the end of the list come last.
        """
        places = None
        if kept < patches.shape[0]:
            values, scores = self._operators.enter(
                tokens, state.position, patches, state.reference, forced)
            places = scores.topk(kept).indices
        else:
            values = embed(tokens, state.position, patches)
        index, values, normed = self._take(state, values, patches, places)
        rotation = None if state.rotation is None else state.rotation.index_select(0, index)
        rows = Rows(index, rotation)
        values, normed = self._shared.run(state.shared, state.taps, rows, values, normed)
        if self._reuse is None or state.trunk is None:
            self._own.run(state.own, state.taps, rows, values, normed)
        else:
            grouped, values, normed = self._reuse.group(
                state.own, state.trunk, rows, values,
                forced if places is None else forced.index_select(0, places))
            self._reuse.stage.run(state.own, state.taps, grouped, values, normed)
        return index[:kept]

    def _take(
        self, state: StaticTransformerState, values: torch.Tensor, patches: torch.Tensor,
        places: torch.Tensor | None,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the input of the first block: its tokens, their values and the norm of these."""
        return self._operators.take(
            values, patches, places, state.reference, self._prefix, state.prefix_index,
            self._first,
            self._dtype)

    def _position(self, grid: tuple[int, int]) -> torch.Tensor | None:
        if self._network.config.position != 'absolute':
            return None
        return self._network.position(grid)[0].detach().float().contiguous()

    def _macs(self, grid: tuple[int, int], patches: int, own: Stage) -> int:
        prefix = self._prefix.shape[0]
        rows, tokens = patches + prefix, grid[0] * grid[1] + prefix
        return self._shared.macs(rows, tokens) + own.macs(rows, tokens)


def encoders_of(network: MultiTaskNetwork, tasks: Sequence[str]) -> tuple[str, ...]:
    """Return the encoders that tasks use, in the network's order."""
    used = {network.encoder_of(task) for task in tasks}
    return tuple(task for task in network.tasks if task in used)
