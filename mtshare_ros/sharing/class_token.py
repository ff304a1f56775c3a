"""When what a head made of the class tokens has to be made anew."""

from dataclasses import dataclass
from typing import Sequence

import torch

from mtshare_ros.sharing.dirty_cells import DirtyCells
from mtshare_ros.sharing.head_inputs import HeadInputs
from mtshare_ros.sharing.memory import tensor_bytes
from mtshare_ros.sharing.rules import distance, passes, spread_of


@dataclass(frozen=True)
class ClassTokens:
    """
    The class tokens (taps, D) that a head uses; ``spread`` (taps,) is that of the cells there.

    The spread is measured whenever all cells are computed.
    """

    used: torch.Tensor
    spread: torch.Tensor

    @property
    def nbytes(self) -> int:
        """Bytes of the buffers."""
        return tensor_bytes(self.used, self.spread)


class ClassTokenGate:
    """
    Keeps the class tokens that a head uses while they hardly move.

    What they add is in every cell: a new one makes every cell of the output another. So they are
    replaced only where all cells are computed anyway, or where one moved by more than the limit of
    the temporal rule, relative to the spread of the cells; with a limit of 0 by anything at all.
    """

    def __init__(self, blocks: Sequence[int]) -> None:
        self._blocks = tuple(blocks)

    def allocate(self, width: int, device: torch.device) -> ClassTokens:
        """Return buffers for tokens of a width."""
        count = len(self._blocks)
        return ClassTokens(torch.zeros(count, width, device=device),
                           torch.ones(count, device=device))

    def renew(
        self, state: ClassTokens, inputs: HeadInputs, cells: DirtyCells, limits: Sequence[float]
    ) -> bool:
        """Take the class tokens in where they are needed; tell whether that was so."""
        tokens = torch.stack([rows[0] for rows in inputs.prefix])
        if cells.whole:
            state.spread.copy_(torch.stack([spread_of(rows) for rows in inputs.taps]))
        elif not self._moved(state, tokens, limits):
            return False
        state.used.copy_(tokens)
        return True

    def _moved(
        self, state: ClassTokens, tokens: torch.Tensor, limits: Sequence[float]
    ) -> bool:
        own = torch.tensor([limits[block - 1] for block in self._blocks], device=tokens.device)
        return bool(passes(distance(tokens, state.used), own * state.spread, None).any())
