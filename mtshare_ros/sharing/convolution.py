"""A convolution on maps of rows: a few of its pixels as one matrix product, or all of them."""

import copy

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from mtshare_ros.sharing.layout import AUTO
from mtshare_ros.sharing.level import Level, taps_of_patches, taps_of_pixels
from mtshare_ros.sharing.linear import PackedLinear


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
        # to read the zeros behind the map costs less than to copy the windows to where there are
        if spare:
            taps = functional.pad(taps, (0, spare * area), value=source.shape[0] - 1)
        return self.windows(source.index_select(0, taps))[:count]

    def windows(self, values: torch.Tensor) -> torch.Tensor:
        """Return (p, outputs) for the channels of ``taps`` that p pixels read, in their order."""
        product = self._windows(values.view(-1, self.kernel ** 2 * self.inputs))
        # that of oneDNN, behind the product, would make zeros of what is no number
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
