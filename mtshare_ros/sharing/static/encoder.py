"""The transformer on lists of rows of fixed lengths: shared blocks, then those of its members."""

from dataclasses import dataclass
from typing import Sequence

import torch

from mtshare_ros.model.network import MultiTaskNetwork
from mtshare_ros.sharing.attention import RotationTable
from mtshare_ros.sharing.encoder import prefix_of
from mtshare_ros.sharing.memory import tensor_bytes
from mtshare_ros.sharing.static.block import Rows, StaticBlock
from mtshare_ros.sharing.static.cut import most_changed
from mtshare_ros.sharing.static.operators import Operators, PLAIN
from mtshare_ros.sharing.static.taps import StaticTaps, Taps


@dataclass(frozen=True)
class StaticEncoderState:
    """
    What the encoder remembers of one camera, for N cells, T tokens and M members.

    ``every`` (T,) are all tokens; ``rotation`` (T, 2, head_dim) and ``position`` (N, D) float32
    their places, None where the network does without. ``reference`` (N, D) float32 is what entered
    the first block when a cell was last computed. ``caches`` are keys and values by block.
    ``taps`` are the outputs that heads read, see ``StaticTaps``.
    """

    cell_count: int
    every: torch.Tensor
    rotation: torch.Tensor | None
    position: torch.Tensor | None
    reference: torch.Tensor
    caches: tuple[torch.Tensor, ...]
    taps: dict[Taps, torch.Tensor]

    @property
    def nbytes(self) -> int:
        """Bytes of the buffers."""
        return tensor_bytes(self.reference, *self.caches, *self.taps.values())

    @property
    def prefix_rows(self) -> torch.Tensor:
        """The tokens (P,) after the cells, which stand for no place."""
        return self.every[self.cell_count:]

    def rows(self, taps: Taps, member: int) -> torch.Tensor:
        """Return a member's rows (T, taps x D) at some taps, cells first."""
        buffer = self.taps[taps]
        return buffer[member if buffer.shape[0] > 1 else 0]


class StaticEncoder:
    """
    The encoders of some tasks, their blocks stacked; products are in ``dtype``.

    Its members are the encoders that the tasks use, see ``MultiTaskNetwork.encoder_of``. Rows and
    statistics of norms are float32; ``operators`` are the steps that one kernel can do. Holds
    weights only.
    """

    def __init__(
        self, network: MultiTaskNetwork, tasks: Sequence[str], dtype: torch.dtype,
        operators: Operators = PLAIN,
    ) -> None:
        self._network, self._dtype, self._operators = network, dtype, operators
        self._device = next(network.parameters()).device
        self._prefix = prefix_of(network)
        self.members = members_of(network, tasks)
        own = zip(*(network.own_blocks(member) for member in self.members))
        self._blocks = [StaticBlock(blocks, dtype, operators) for blocks in (
            *([block] for block in network.shared_blocks), *own)]
        self._taps = StaticTaps(network, tasks, self.members, dtype, operators)

    def member_of(self, task: str) -> int:
        """Return the number of the member whose rows a task's head reads."""
        return self.members.index(self._network.encoder_of(task))

    def taps_of(self, task: str) -> Taps:
        """Return the taps of a task's head, in the order in which it reads them."""
        return self._taps.of(task)

    def allocate(self, grid: tuple[int, int]) -> StaticEncoderState:
        """Return empty buffers for a (rows, columns) grid; ``dense`` must run first."""
        cells, config, device = grid[0] * grid[1], self._network.config, self._device
        count = cells + self._prefix.shape[0]
        table = self._network.rotary(grid, device)
        absolute = config.position == 'absolute'
        return StaticEncoderState(
            cells, torch.arange(count, device=device),
            None if table is None else RotationTable(table, self._dtype).stacked,
            self._network.position(grid)[0].detach().float() if absolute else None,
            torch.zeros(cells, config.embed_dim, device=device),
            tuple(block.allocate(count, device) for block in self._blocks),
            self._taps.allocate(count, device),
        )

    def dense(self, state: StaticEncoderState, tokens: torch.Tensor) -> None:
        """Compute all cells from stem tokens (N, D)."""
        values = tokens.float()
        if state.position is not None:
            values = values + state.position
        state.reference.copy_(values)
        self._run(state, Rows(state.every, state.rotation), self._with_prefix(values))

    def update(
        self, state: StaticEncoderState, tokens: torch.Tensor, cells: torch.Tensor,
        forced: torch.Tensor, kept: int,
    ) -> torch.Tensor:
        """
        Compute ``kept`` of the cells (n,) anew from their stem tokens (n, D), and return those.

        They are the ``forced`` ones (n,) bool, then those whose tokens differ most from what they
        were when they were last computed. Repetitions at the end of the list come last.
        """
        values = tokens.float()
        if state.position is not None:
            values = values + state.position.index_select(0, cells)
        if kept < cells.shape[0]:
            places = most_changed(state.reference, cells, values, forced, kept)
            cells, values = cells.index_select(0, places), values.index_select(0, places)
        state.reference.index_copy_(0, cells, values)
        self._run(state, self._rows(state, cells), self._with_prefix(values))
        return cells

    def _rows(self, state: StaticEncoderState, cells: torch.Tensor) -> Rows:
        index = cells
        if self._prefix.shape[0]:
            index = torch.cat((cells, state.prefix_rows))
        if state.rotation is None:
            return Rows(index, None)
        return Rows(index, state.rotation.index_select(0, index))

    def _with_prefix(self, values: torch.Tensor) -> torch.Tensor:
        return torch.cat((values, self._prefix)) if self._prefix.shape[0] else values

    def _run(self, state: StaticEncoderState, rows: Rows, values: torch.Tensor) -> None:
        """Send rows (n, D) float32 through all blocks and keep what heads read."""
        following = [*(block.norm for block in self._blocks), self._taps.norm]
        values, normed = self._operators.residual_norm(
            values[None], None, None, following[0], self._dtype)
        for number, (block, cache) in enumerate(zip(self._blocks, state.caches), 1):
            values, normed = block(cache, rows, values, normed, following[number])
            self._taps.keep(state.taps, number, rows, values, normed)


def members_of(network: MultiTaskNetwork, tasks: Sequence[str]) -> tuple[str, ...]:
    """Return the encoders that tasks use, in the network's order."""
    used = {network.encoder_of(task) for task in tasks}
    return tuple(task for task in network.tasks if task in used)
