"""Maps as lists of pixels: levels, receptive fields, and convolutions of some of the pixels."""

import copy
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
import math
from typing import Iterable

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from mtshare_ros.sharing.linear import PackedLinear
from mtshare_ros.sharing.memory import AUTO, overwrite


@dataclass(frozen=True)
class Level:
    """
    A map with ``side`` x ``side`` pixels for each patch of a (rows, columns) ``grid``.

    It is kept as (count + 1, channels): one row of channels a pixel in raster order, so that a
    pixel, and a strip of pixels beside each other, is one piece of memory. The last row stays
    zero: it is what indices outside the map read, the zero padding of convolutions.
    """

    grid: tuple[int, int]
    side: int

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.grid[0] * self.side, self.grid[1] * self.side

    @property
    def count(self) -> int:
        """Pixels."""
        return self.size[0] * self.size[1]

    def allocate(self, channels: int, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
        """Return zeros of a map (count + 1, channels)."""
        return torch.zeros(self.count + 1, channels, dtype=dtype, device=device)

    def image(self, rows: torch.Tensor) -> torch.Tensor:
        """Return a map as a view (1, channels, height, width)."""
        return rows[:-1].view(1, *self.size, -1).permute(0, 3, 1, 2)

    def strips(self, rows: torch.Tensor) -> torch.Tensor:
        """Return a map as a view in which ``side`` pixels beside each other are one row."""
        return rows[:-1].view(-1, self.side * rows.shape[1])

    def write(self, rows: torch.Tensor, patches: torch.Tensor, values: torch.Tensor) -> None:
        """Overwrite patches (n,) of a map by (n * side * side, channels), each in raster order."""
        strips = self.strips(rows)
        index = strips_of_patches(self, rows.device).index_select(0, patches).view(-1)
        overwrite(strips, index, values.reshape(-1, strips.shape[1]))


@lru_cache(maxsize=32)
def pixels_of_patches(
    level: Level, device: torch.device, *, border: int = 0, nearest: bool = False
) -> torch.Tensor:
    """
    Return the rows of each patch's pixels and a border round them: (N, (side + 2 border) ** 2).

    Pixels outside the map are its last row, or the ``nearest`` pixel inside.
    """
    height, width = level.size
    numbers = torch.arange(level.count).view(1, 1, height, width).double()
    frame = (border,) * 4
    padded = functional.pad(numbers, frame, mode='replicate') if nearest and border else \
        functional.pad(numbers, frame, value=level.count)
    across = level.side + 2 * border
    windows = padded[0, 0].unfold(0, across, level.side).unfold(1, across, level.side)
    return windows.reshape(-1, across * across).long().to(device)


@lru_cache(maxsize=32)
def strips_of_patches(level: Level, device: torch.device) -> torch.Tensor:
    """Return the rows (N, side) of each patch where ``side`` pixels beside each other are one."""
    rows, columns = level.grid
    numbers = torch.arange(rows * level.side * columns).view(rows, level.side, columns)
    return numbers.transpose(1, 2).reshape(-1, level.side).to(device)


@lru_cache(maxsize=32)
def taps_of_pixels(
    source: Level, target: Level, device: torch.device, *, kernel: int, padding: int
) -> torch.Tensor:
    """
    Return which source pixels (count, kernel ** 2) each target pixel of a convolution reads.

    Its stride is the ratio of the levels; padding pixels are the last row. int32: convolutions
    read so many rows that the list itself is worth keeping small.
    """
    stride = source.side // target.side
    rows, columns = (
        (torch.arange(size) * stride - padding)[:, None] + torch.arange(kernel)
        for size in target.size
    )
    height, width = source.size
    row, column = rows[:, None, :, None], columns[None, :, None, :]
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    numbers = torch.where(inside, row * width + column, source.count)
    return numbers.reshape(target.count, kernel * kernel).to(device, torch.int32)


@lru_cache(maxsize=32)
def taps_of_patches(
    source: Level, target: Level, device: torch.device, *, kernel: int, padding: int
) -> torch.Tensor:
    """Return the taps of each patch's pixels in turn: (N, side ** 2 * kernel ** 2)."""
    taps = taps_of_pixels(source, target, device, kernel=kernel, padding=padding)
    patches = pixels_of_patches(target, device)
    return taps[patches].reshape(patches.shape[0], -1)


@dataclass(frozen=True)
class ReceptiveField:
    """
    The output pixels that depend on the pixels of one patch, in each direction.

    They are ``first`` to ``last``, counted from the patch's first pixel.
    """

    first: int
    last: int

    @classmethod
    def of_patch(cls, side: int) -> 'ReceptiveField':
        """Return the pixels of a patch itself."""
        return cls(0, side - 1)

    def through(self, convolutions: Iterable[nn.Conv2d]) -> 'ReceptiveField':
        """Return the output pixels of convolutions, run one after the other, that differ."""
        first, last = self.first, self.last
        for layer in convolutions:
            kernel, stride, padding = layer.kernel_size[0], layer.stride[0], layer.padding[0]
            # output y reads y * stride - padding and the following kernel - 1 pixels
            first = -((kernel - 1 - padding - first) // stride)
            last = (last + padding) // stride
        return ReceptiveField(first, last)

    def enlarged(self, factor: Fraction) -> 'ReceptiveField':
        """
        Return the pixels that differ after bilinear enlargement.

        A pixel differs if its centre lies less than one source pixel from the centre of a source
        pixel that differs.
        """
        half = Fraction(1, 2)
        before = (self.first - half) * factor - half
        behind = (self.last + 3 * half) * factor - half
        return ReceptiveField(math.floor(before) + 1, math.ceil(behind) - 1)

    def in_patches(self, side: int) -> 'ReceptiveField':
        """Return the patches of ``side`` pixels that the pixels lie in."""
        return ReceptiveField(self.first // side, self.last // side)

    def border(self, side: int) -> int:
        """Return by how many pixels the wider end exceeds a patch of ``side`` pixels."""
        return max(-self.first, self.last - (side - 1))

    def followed_by(self, other: 'ReceptiveField') -> 'ReceptiveField':
        """Return the pixels affected after this field and then another."""
        return ReceptiveField(self.first + other.first, self.last + other.last)

    def spread(self, mask: torch.Tensor) -> torch.Tensor:
        """Return a bool mask (rows, columns) with all patches that its true ones affect."""
        return _spread(_spread(mask, self, 0), self, 1)


def _spread(mask: torch.Tensor, field: ReceptiveField, axis: int) -> torch.Tensor:
    """Spread along one axis."""
    size = mask.shape[axis]
    spread = mask.clone()
    first, last = max(field.first, 1 - size), min(field.last, size - 1)
    for offset in range(first, last + 1):
        if offset:
            length = size - abs(offset)
            spread.narrow(axis, max(offset, 0), length).logical_or_(
                mask.narrow(axis, max(-offset, 0), length))
    return spread


class RowConvolution:
    """
    A convolution, with the batch norm and ReLU that follow it, prepared once for inference.

    ``shrink`` is its stride. The input may come as blocks: ``shrink`` x ``shrink`` pixels, values
    in (y, x, channel) order, form one pixel of ``shrink`` ** 2 times the channels, which makes
    reading a window of a camera image a few long copies in place of many short ones.
    """

    def __init__(
        self, layer: nn.Conv2d | nn.Sequential, *, dtype: torch.dtype, blocks: bool = False,
        layout: str = AUTO,
    ) -> None:
        folded = _fold(layer)
        self.module = folded
        self.macs_per_pixel = folded.weight.numel()
        self.activated = isinstance(layer, nn.Sequential)
        weight, self.padding, self.stride = folded.weight.detach(), folded.padding[0], 1
        if blocks:
            weight, self.padding = _weight_of_blocks(folded)
        else:
            self.stride = folded.stride[0]
        self.outputs, self.inputs, self.kernel, _ = weight.shape
        self._weight = weight.to(dtype).contiguous(memory_format=torch.channels_last)
        bias = folded.bias if folded.bias is not None else weight.new_zeros(self.outputs)
        self._bias = bias.detach().to(dtype)
        self._windows = PackedLinear(
            weight.permute(0, 2, 3, 1).flatten(1), self._bias, dtype=dtype, layout=layout)

    def taps_of_patches(self, source: Level, target: Level, device: torch.device) -> torch.Tensor:
        """Return the source pixels each patch's pixels read: (N, side ** 2 kernel ** 2)."""
        return taps_of_patches(source, target, device, kernel=self.kernel, padding=self.padding)

    def taps_of_pixels(self, level: Level, device: torch.device) -> torch.Tensor:
        """Return the source pixels each pixel reads where input and output have one size."""
        return taps_of_pixels(level, level, device, kernel=self.kernel, padding=self.padding)

    def rows(self, source: torch.Tensor, taps: torch.Tensor) -> torch.Tensor:
        """Return (p, outputs) for p pixels with ``taps`` (p * kernel ** 2,) of a map of rows."""
        area = self.kernel ** 2
        count = taps.shape[0] // area
        spare = self._windows.spare(count)
        # more indices of the zeros after the map cost less than a copy of the windows with zeros
        if spare:
            taps = functional.pad(taps, (0, spare * area), value=source.shape[0] - 1)
        return self.windows(source.index_select(0, taps))[:count]

    def windows(self, values: torch.Tensor) -> torch.Tensor:
        """Return (p, outputs) for the channels of ``taps`` that p pixels read, in their order."""
        product = self._windows(values.view(-1, self.kernel ** 2 * self.inputs))
        # not oneDNN's own ReLU after the product, which would turn NaN into 0
        return product.relu_() if self.activated else product

    def everywhere(self, level: Level, source: torch.Tensor) -> torch.Tensor:
        """Return all pixels (count, outputs) where input and output have one size."""
        values = functional.conv2d(
            level.image(source).to(self._weight.dtype), self._weight, self._bias,
            padding=self.padding)
        values = values.relu_() if self.activated else values
        return values.permute(0, 2, 3, 1).reshape(level.count, self.outputs)

    def image(self, source: torch.Tensor, target: torch.Tensor) -> None:
        """Compute every pixel of ``target`` (1, outputs, H, W) from (1, inputs, H, W)."""
        if self.kernel == 1:
            # on one thread PyTorch has a slow kernel for convolutions of one pixel
            rows = self._windows(source.permute(0, 2, 3, 1).flatten(0, 2))
            values = rows.view(1, *source.shape[2:], -1).permute(0, 3, 1, 2)
        else:
            values = functional.conv2d(
                source, self._weight, self._bias, stride=self.stride, padding=self.padding)
        values = values[..., :target.shape[2], :target.shape[3]]
        if self.activated:
            torch.clamp_min(values, 0, out=target)
        else:
            target.copy_(values)


def _fold(layer: nn.Conv2d | nn.Sequential) -> nn.Conv2d:
    """Return the convolution of a ``conv_norm_act`` with its batch norm, or the layer itself."""
    if isinstance(layer, nn.Conv2d):
        return layer
    convolution, norm, _ = copy.deepcopy(layer).eval()
    if isinstance(norm, nn.BatchNorm2d):
        return fuse_conv_bn_eval(convolution, norm)
    return convolution


def _weight_of_blocks(layer: nn.Conv2d) -> tuple[torch.Tensor, int]:
    """Return weight (outputs, stride ** 2 inputs, k, k) and padding in blocks of stride pixels."""
    outputs, inputs, kernel, _ = layer.weight.shape
    stride, padding = layer.stride[0], layer.padding[0]
    before = -padding % stride
    count = -(-(before + kernel) // stride)
    after = count * stride - before - kernel
    weight = functional.pad(layer.weight.detach(), (before, after, before, after))
    blocks = weight.view(outputs, inputs, count, stride, count, stride)
    blocks = blocks.permute(0, 3, 5, 1, 2, 4).reshape(outputs, -1, count, count)
    return blocks, (padding + before) // stride
