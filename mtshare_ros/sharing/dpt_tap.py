"""What a dpt head makes of the rows at one of its taps, patch by patch."""

import torch
from torch.nn import functional

from mtshare_ros.model.dpt_head import DptHead
from mtshare_ros.sharing.linear import PackedLinear
from mtshare_ros.sharing.rules import spread_of

_SAMPLES = 128
"""Patches that a spread is measured on."""


class TapProjection:
    """Reads the class token into patches, where the head does so, and projects them."""

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
        self.macs_per_patch = self._project.macs_per_row + mixing

    def __call__(self, patches: torch.Tensor, term: torch.Tensor | None) -> torch.Tensor:
        """Return (n, C) for patches (n, D) and what a class token adds (D,), None for nothing."""
        if self._readout is not None and term is not None:
            mixed = self._readout(patches)
            patches = functional.gelu(mixed + term.to(mixed.dtype), approximate='tanh')
        return self._project(patches)

    def term(self, token: torch.Tensor) -> torch.Tensor:
        """Return what a class token (D,) adds to patches (D,) float32."""
        if self._token is None:
            raise RuntimeError('this head reads no class token')
        return self._token(token[None])[0].float()

    def spread(self, patches: torch.Tensor) -> torch.Tensor:
        """Return how far that which the term is added to spreads, (), by some of all patches."""
        if self._readout is None:
            raise RuntimeError('this head reads no class token')
        step = -(-patches.shape[0] // _SAMPLES)
        return spread_of(self._readout(patches[::step]).float())
