"""What a dpt head makes of the rows at one of its taps, cell by cell."""

import torch
from torch.nn import functional

from mtshare_ros.model.dpt_head import DptHead
from mtshare_ros.sharing.linear import PackedLinear
from mtshare_ros.sharing.rules import spread_of

_SAMPLES = 128
"""Cells that a spread is measured on."""


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

    def __call__(self, cells: torch.Tensor, term: torch.Tensor | None) -> torch.Tensor:
        """Return (n, C) for cells (n, D) and what a class token adds (D,), None for nothing."""
        if self._readout is not None and term is not None:
            mixed = self._readout(cells)
            cells = functional.gelu(mixed + term.to(mixed.dtype), approximate='tanh')
        return self._project(cells)

    def term(self, token: torch.Tensor) -> torch.Tensor:
        """Return what a class token (D,) adds to cells (D,) float32."""
        if self._token is None:
            raise RuntimeError('this head reads no class token')
        return self._token(token[None])[0].float()

    def spread(self, cells: torch.Tensor) -> torch.Tensor:
        """Return how far that which the term is added to spreads, (), by some of all cells."""
        if self._readout is None:
            raise RuntimeError('this head reads no class token')
        step = -(-cells.shape[0] // _SAMPLES)
        return spread_of(self._readout(cells[::step]).float())
