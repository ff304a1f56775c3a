"""What a head projects of the encoder's rows, kept as long as the rows stay as they are."""

from dataclasses import dataclass

import torch

from mtshare_ros.sharing.head_inputs import HeadInputs
from mtshare_ros.sharing.local_head import LocalRunner
from mtshare_ros.sharing.memory import tensor_bytes


@dataclass(frozen=True)
class ProjectedRows:
    """
    The projected tokens of one task's head by row of the encoder, (N, projected).

    ``known`` (N,) bool are the rows for which they hold.
    """

    values: torch.Tensor
    known: torch.Tensor

    @classmethod
    def of(cls, runner: LocalRunner, count: int, device: torch.device) -> 'ProjectedRows':
        """Return those of N rows of which none is known."""
        return cls(torch.zeros(count, runner.projected, dtype=runner.dtype, device=device),
                   torch.zeros(count, dtype=torch.bool, device=device))

    @property
    def nbytes(self) -> int:
        """Bytes the buffers take."""
        return tensor_bytes(self.values, self.known)

    def forget(self, rows: torch.Tensor) -> None:
        """Note that rows (n,) of the encoder are other ones."""
        self.known.index_fill_(0, rows, False)

    def complete(self, runner: LocalRunner, inputs: HeadInputs, rows: torch.Tensor) -> int:
        """Project those of rows (n,) that are not known; return the multiply-accumulates."""
        missing = rows[~self.known.index_select(0, rows)]
        if missing.shape[0]:
            self.values.index_copy_(0, missing, runner.project(inputs.of_cells(missing)))
            self.known.index_fill_(0, missing, True)
        return missing.shape[0] * runner.macs_per_projection

    def at(self, rows: torch.Tensor) -> torch.Tensor:
        """Return a copy of the projected tokens (n, projected) of rows (n,)."""
        return self.values.index_select(0, rows)
