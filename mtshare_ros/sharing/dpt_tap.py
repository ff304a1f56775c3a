"""What a dpt head makes of the rows at one of its taps, cell by cell."""

import torch
from torch.nn import functional

from mtshare_ros.model.dpt_head import DptHead
from mtshare_ros.sharing.linear import PackedLinear


class TapProjection:
    """Reads the class token into cells, where the head does so, and projects them."""

    def __init__(self, head: DptHead, number: int, dtype: torch.dtype, layout: str) -> None:
        self._readout = self._token = None
        if head.config.class_token:
            readout = head.readout[number]
            self._readout = PackedLinear(
                readout.cells.weight.flatten(1), readout.cells.bias, dtype=dtype, layout=layout)
            self._token = PackedLinear(readout.token.weight, None, dtype=dtype, layout=layout)
        project = head.project[number]
        self._project = PackedLinear(
            project.weight.flatten(1), project.bias, dtype=dtype, layout=layout)
        mixing = 0 if self._readout is None else self._readout.macs_per_row
        self.macs_per_cell = self._project.macs_per_row + mixing

    def __call__(self, cells: torch.Tensor, token: torch.Tensor | None) -> torch.Tensor:
        """Return (n, C) for cells (n, D) and a class token (D,), None where it is not read."""
        if self._readout is not None and self._token is not None and token is not None:
            cells = functional.gelu(
                self._readout(cells) + self._token(token[None]), approximate='tanh')
        return self._project(cells)
