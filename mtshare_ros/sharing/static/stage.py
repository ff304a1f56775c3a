"""A row of blocks on lists of fixed lengths."""

from dataclasses import dataclass
from typing import Any, Protocol, Sequence

import torch

from mtshare_ros.sharing.static.block import Rows
from mtshare_ros.sharing.static.fused import Norm
from mtshare_ros.sharing.static.taps import StaticTaps, Taps


class ListedBlock(Protocol):
    """A transformer block on lists of rows whose lengths are fixed."""

    def __call__(
        self, cache: torch.Tensor, rows: Any, values: torch.Tensor, normed: torch.Tensor,
        following: Norm,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """See ``StaticBlock``."""

    def macs(self, rows: int, token_count: int) -> int:
        """Return the multiply-accumulates of a list of so many rows that attend to T."""


@dataclass(frozen=True)
class Stage:
    """
    Blocks behind ``before`` others.

    ``norms`` are those before each of them and the one that follows the last, ``final`` is the
    encoder's last norm for their members.
    """

    blocks: Sequence[ListedBlock]
    norms: Sequence[Norm]
    taps: StaticTaps
    final: Norm
    before: int = 0

    def macs(self, rows: int, token_count: int) -> int:
        """Return the multiply-accumulates of a list of so many rows that attend to T."""
        return sum(block.macs(rows, token_count) for block in self.blocks)

    def run(
        self, caches: Sequence[torch.Tensor], buffers: dict[Taps, torch.Tensor], rows: Rows,
        values: torch.Tensor, normed: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """
        Send rows (1 or M, n, D) float32 through the blocks and keep what heads read.

        ``normed`` is their norm by the first of ``norms``; returns both behind the last block.
        ``caches`` are those of these blocks.
        """
        for number, (block, cache) in enumerate(zip(self.blocks, caches)):
            values, normed = block(cache, rows, values, normed, self.norms[number + 1])
            self.taps.keep(
                buffers, self.before + number + 1, rows, values, normed, self.final)
        return values, normed
