"""What decode heads of every kind have in common on the patches that changed."""

from dataclasses import dataclass
from typing import Any, Protocol, Sequence

import torch

from mtshare_ros.sharing.dirty_cells import ChangedPatches
from mtshare_ros.sharing.head_inputs import HeadInputs


@dataclass(frozen=True)
class HeadUpdate:
    """
    What a head did in a frame.

    ``affected`` (m,) are the patches whose output, enlarged to the input's size, may differ; None
    where it may everywhere.
    """

    affected: torch.Tensor | None
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

    ``side`` are the pixels of the raw output along a side of a patch.
    """

    side: int

    def allocate(self, grid: tuple[int, int], device: torch.device) -> Any:
        """Return the state of one camera for a grid of (rows, columns) patches."""

    def update(
        self, state: Any, inputs: HeadInputs, patches: ChangedPatches, thresholds: Sequence[float]
    ) -> HeadUpdate:
        """
        Bring the raw output up to date where what the head reads of ``patches`` changed.

        ``thresholds`` are those of the temporal rule by block, 0 where nothing is gated: a head
        keeps what it made of something that all patches have in common while that moved by less.
        """

    def dense_macs(self, grid: tuple[int, int]) -> int:
        """Return the multiply-accumulates of all patches of a grid."""
