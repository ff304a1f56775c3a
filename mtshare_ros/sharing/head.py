"""Decode heads on the cells that changed."""

from dataclasses import dataclass
from functools import cached_property
import math

import torch

from mtshare_ros.model.head import DecodeHead
from mtshare_ros.model.network import MultiTaskNetwork
from mtshare_ros.sharing.convolution import RowConvolution
from mtshare_ros.sharing.head_plan import HeadGeometry, HeadPlan
from mtshare_ros.sharing.layout import AUTO, PLAIN
from mtshare_ros.sharing.level import Level
from mtshare_ros.sharing.linear import PackedLinear
from mtshare_ros.sharing.memory import tensor_bytes


@dataclass
class HeadState:
    """
    What one task's head remembers of one camera, as rows of channels (see ``Level``).

    ``features`` are what the 3x3 convolutions read, in the runner's dtype, ``output`` is the raw
    output in float32.
    """

    level: Level
    features: tuple[torch.Tensor, ...]
    output: torch.Tensor

    @cached_property
    def raw(self) -> torch.Tensor:
        """The raw output as a view (1, C, rows x side, columns x side)."""
        return self.level.image(self.output)

    @property
    def nbytes(self) -> int:
        """Bytes the buffers take."""
        return tensor_bytes(*self.features, self.output)


class HeadRunner:
    """One task's decode head, prepared once; batch norm is folded, weights are in ``dtype``."""

    def __init__(
        self, network: MultiTaskNetwork, task: str, dtype: torch.dtype = torch.float32,
        layout: str = AUTO,
    ) -> None:
        head: DecodeHead = network.heads[task]
        self.dtype = dtype
        self._merge = _Merge(head, dtype, layout)
        self._refine = [RowConvolution(layer, dtype=dtype, layout=layout)
                        for layer in head.refine]
        self._predict = PackedLinear(
            head.predict.weight.flatten(1), head.predict.bias, dtype=dtype, layout=PLAIN)
        self._width, self._outputs = head.predict.in_channels, head.predict.out_channels
        self.side = self._merge.side
        self.geometry = HeadGeometry.of([layer.module for layer in self._refine], self.side,
                                        network.config.patch_size)
        self.macs_per_cell = self._merge.macs_per_cell + self.side ** 2 * (
            sum(layer.macs_per_pixel for layer in self._refine) + self._predict.macs_per_row)

    def allocate(self, grid: tuple[int, int], device: torch.device) -> HeadState:
        """Return the state of one camera for a grid of (rows, columns) cells."""
        level = Level(grid, self.side)
        features = tuple(level.allocate(self._width, self.dtype, device) for _ in self._refine)
        return HeadState(level, features, level.allocate(self._outputs, torch.float32, device))

    def update(self, state: HeadState, tokens: torch.Tensor, plan: HeadPlan) -> None:
        """
        Bring the raw output up to date where tokens or features of the plan's cells changed.

        ``tokens`` (N, D) are all normed tokens.
        """
        values, pixels = self._merge(tokens.index_select(0, plan.cells), plan), plan.merged
        for layer, source, listed in zip(self._refine, state.features, plan.layers):
            _store(source, pixels, values)
            if listed is None:
                values, pixels = layer.everywhere(state.level, source), None
            else:
                values, pixels = layer.rows(source, listed.taps), listed.pixels
        _store(state.output, pixels, self._predict(values))


def _store(rows: torch.Tensor, pixels: torch.Tensor | None, values: torch.Tensor) -> None:
    """Overwrite pixels of a map, or all of them."""
    if pixels is None:
        rows[:-1].copy_(values)
    else:
        rows.index_copy_(0, pixels, values.to(rows.dtype))


class _Merge:
    """The sum of all levels at ``side`` pixels a cell, with batch norm and ReLU."""

    def __init__(self, head: DecodeHead, dtype: torch.dtype, layout: str) -> None:
        self._width = head.predict.in_channels
        self.side = math.isqrt(head.from_tokens.out_channels // self._width)
        norm = head.norm
        scale = (norm.weight / torch.sqrt(norm.running_var + norm.eps)).detach()
        shift = (norm.bias - norm.running_mean * scale).detach()
        weight = _scaled(head.from_tokens.weight, scale)
        bias = _scaled(head.from_tokens.bias, scale) + shift.repeat(self.side ** 2)
        self._from_tokens = PackedLinear(weight, bias, dtype=dtype, layout=layout)
        self._from_eighth = self._from_quarter = None
        self.macs_per_cell = weight.numel()
        if hasattr(head, 'from_eighth'):
            self._from_eighth = _scaled(head.from_eighth.weight, scale).t().to(dtype)
            self._from_quarter = _scaled(head.from_quarter.weight, scale).t().to(dtype)
            self.macs_per_cell += self.side ** 2 * (
                self._from_eighth.numel() // 4 + self._from_quarter.numel())

    def __call__(self, tokens: torch.Tensor, plan: HeadPlan) -> torch.Tensor:
        """Return (n * side ** 2, width) for tokens (n, D), pixels in merging order."""
        merged = self._from_tokens(tokens)
        if self._from_eighth is not None:
            merged = merged.view(-1, self._from_eighth.shape[1])
            merged.addmm_(plan.eighth, self._from_eighth)
        merged = merged.view(-1, self._width)
        if self._from_quarter is not None:
            merged.addmm_(plan.quarter, self._from_quarter)
        return merged.relu_()


def _scaled(parameter: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """
    Return a projection's weight (outputs, inputs) or bias (outputs,), scaled for each channel.

    Its outputs come as (channel, y, x) of the pixels they are rearranged to, and go in merging
    order: pixels before channels, those of a pixel at 1/8 after each other.
    """
    parameter = parameter.detach().flatten(1) if parameter.ndim > 1 else parameter.detach()
    side = math.isqrt(parameter.shape[0] // scale.shape[0])
    outer, inner = max(side // 2, 1), min(side, 2)
    split = parameter.reshape(scale.shape[0], outer, inner, outer, inner, -1)
    ordered = (split * scale.view(-1, 1, 1, 1, 1, 1)).permute(1, 3, 2, 4, 0, 5)
    return ordered.reshape(parameter.shape)
