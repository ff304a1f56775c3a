"""What decode heads of every kind have in common on the cells that changed."""

from dataclasses import dataclass
from typing import Any, Protocol, Sequence

import torch

from mtshare_ros.sharing.dirty_cells import DirtyCells
from mtshare_ros.sharing.head_inputs import HeadInputs


@dataclass(frozen=True)
class HeadUpdate:
    """
    What a head did in a frame.

    ``reached`` (m,) are the cells whose output, enlarged to the input's size, may differ; None
    where it may everywhere.
    """

    reached: torch.Tensor | None
    macs: int


class HeadState(Protocol):
    """What a head remembers of one camera."""

    @property
    def raw(self) -> torch.Tensor:
        """The raw output as a view (1, C, rows x side, columns x side), float32."""

    @property
    def nbytes(self) -> int:
        """Bytes the buffers take."""


class HeadRunner(Protocol):
    """
    One task's decode head, prepared once; what it remembers of a camera is passed in.

    ``side`` are the pixels of the raw output along a side of a cell.
    """

    side: int

    def allocate(self, grid: tuple[int, int], device: torch.device) -> Any:
        """Return the state of one camera for a grid of (rows, columns) cells."""

    def update(
        self, state: Any, inputs: HeadInputs, cells: DirtyCells, limits: Sequence[float]
    ) -> HeadUpdate:
        """
        Bring the raw output up to date where what the head reads of ``cells`` changed.

        ``limits`` are those of the temporal rule by block, 0 where nothing is gated: a head keeps
        what it made of something that all cells have in common while that moved by less.
        """

    def dense_macs(self, grid: tuple[int, int]) -> int:
        """Return the multiply-accumulates of all cells of a grid."""
