"""Stages of a decoder on parts of maps: convolutions, residual units, what they remember."""

from dataclasses import dataclass

import torch

from mtshare_ros.model.dpt_head import ResidualUnit
from mtshare_ros.sharing.convolution import RowConvolution
from mtshare_ros.sharing.level import Level
from mtshare_ros.sharing.memory import tensor_bytes
from mtshare_ros.sharing.region import Region

PIXELS_AT_ONCE = 4096
"""Pixels whose windows stay in the caches of a processor."""


def pick(rows: torch.Tensor, region: Region) -> torch.Tensor:
    """Return the pixels (p, C) of a region that are computed, of a map (count + 1, C)."""
    return rows[:-1] if region.pixels is None else rows.index_select(0, region.pixels)


def store(rows: torch.Tensor, region: Region, values: torch.Tensor) -> None:
    """Overwrite the pixels of a region that are computed (p, C)."""
    if region.pixels is None:
        rows[:-1].copy_(values)
    else:
        rows.index_copy_(0, region.pixels, values.to(rows.dtype))


def convolve(layer: RowConvolution, rows: torch.Tensor, region: Region) -> torch.Tensor:
    """Return a 3x3 convolution of a map at the pixels of a region that are computed (p, C)."""
    if region.pixels is None:
        return layer.everywhere(region.level, rows)
    return torch.cat([layer.rows(rows, region.taps(some))
                      for some in region.pixels.split(PIXELS_AT_ONCE)])


@dataclass(frozen=True)
class ResidualState:
    """The input (count + 1, C) of a residual unit without what is negative, and between."""

    positive: torch.Tensor
    middle: torch.Tensor

    @property
    def nbytes(self) -> int:
        """Bytes of the buffers."""
        return tensor_bytes(self.positive, self.middle)


@dataclass(frozen=True)
class Part:
    """What a stage computed: a region, its values (p, C), and what they cost."""

    region: Region
    values: torch.Tensor
    macs: int


class ResidualStage:
    """A residual unit on parts of a map."""

    def __init__(self, unit: ResidualUnit, dtype: torch.dtype, layout: str) -> None:
        self._first, self._second = (
            RowConvolution(layer, dtype=dtype, layout=layout)
            for layer in (unit.conv1, unit.conv2))

    def allocate(self, level: Level, dtype: torch.dtype, device: torch.device) -> ResidualState:
        """Return empty buffers."""
        width = self._first.inputs
        return ResidualState(level.allocate(width, dtype, device),
                             level.allocate(self._first.outputs, dtype, device))

    def update(self, state: ResidualState, source: torch.Tensor, region: Region) -> Part:
        """Return the unit's output where it differs, its input (count + 1, C) having changed."""
        store(state.positive, region, pick(source, region).relu())
        between, after = region.grown(), region.grown().grown()
        store(state.middle, between, convolve(self._first, state.positive, between).relu_())
        values = convolve(self._second, state.middle, after) + pick(source, after)
        macs = (between.computed * self._first.macs_per_pixel
                + after.computed * self._second.macs_per_pixel)
        return Part(after, values, macs)

    def dense_macs(self, level: Level) -> int:
        """Return the multiply-accumulates of a whole map."""
        return level.count * (self._first.macs_per_pixel + self._second.macs_per_pixel)
