"""Layers of several heads as one product."""

from typing import Sequence

import torch
from torch import nn

from mtshare_ros.sharing.convolution import RowConvolution
from mtshare_ros.sharing.layout import PLAIN
from mtshare_ros.sharing.level import Level
from mtshare_ros.sharing.local_weights import Projection


class StackedLinear:
    """
    Linear layers of H heads, weights (outputs, inputs) and biases (outputs,) each, as one product.

    Where heads differ in the number of their outputs, the fewer ones are filled up with zeros, to
    two at least: a product with one column rounds differently in lists of other lengths.
    ``matrices`` are (H, inputs, outputs) in ``dtype``, ``offsets`` (H, 1, outputs) float32. With
    several heads ``bias`` is left to the operator that follows: a batched product would first
    write it to every row. With one it is part of the product, and None.
    """

    def __init__(
        self, weights: Sequence[torch.Tensor], biases: Sequence[torch.Tensor], dtype: torch.dtype
    ) -> None:
        self.outputs = max(2, *(bias.shape[0] for bias in biases))
        stacked = torch.stack([_filled_up(weight, self.outputs) for weight in weights])
        offsets = torch.stack([_filled_up(bias, self.outputs) for bias in biases])
        self.matrices = stacked.to(dtype).transpose(1, 2).contiguous()
        self.offsets = offsets.float()[:, None]
        single = len(offsets) == 1
        self._own_bias = offsets[0].to(dtype) if single else None
        self.bias = None if single else self.offsets

    @classmethod
    def of(cls, layers: Sequence[Projection], dtype: torch.dtype) -> 'StackedLinear':
        """Return layers that all have a bias."""
        return cls([layer.weight for layer in layers],
                   [layer.bias for layer in layers if layer.bias is not None], dtype)

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        """Return (H, n, outputs) for rows (H, n, inputs), or (1, n, inputs) that all share."""
        if self._own_bias is not None:
            return torch.addmm(self._own_bias, rows[0], self.matrices[0])[None]
        return torch.bmm(rows.expand(self.matrices.shape[0], -1, -1), self.matrices)


class StackedConvolution:
    """A convolution with ReLU of H heads that keeps the size of a map; maps are (H, rows, C)."""

    def __init__(
        self, layers: Sequence[nn.Conv2d | nn.Sequential], dtype: torch.dtype
    ) -> None:
        self._single = [RowConvolution(layer, dtype=dtype, layout=PLAIN) for layer in layers]
        self.module = self._single[0].module
        modules = [single.module for single in self._single]
        self._windows = StackedLinear(
            [module.weight.permute(0, 2, 3, 1).flatten(1) for module in modules],
            [module.weight.new_zeros(module.out_channels) if module.bias is None else module.bias
             for module in modules], dtype)
        self.bias = self._windows.bias

    def windows(self, values: torch.Tensor) -> torch.Tensor:
        """
        Return (H, p, outputs) for what p pixels read (H, p, kernel ** 2 x C).

        The ReLU is not in it, nor is ``bias`` where that is not None.
        """
        return self._windows(values)

    def everywhere(self, level: Level, source: torch.Tensor, target: torch.Tensor) -> None:
        """Write all pixels of maps (H, count + 1, C), behind the ReLU, into others."""
        for single, image, result in zip(self._single, source, target):
            single.image(level.image(image), level.image(result))


def _filled_up(parameter: torch.Tensor, outputs: int) -> torch.Tensor:
    """Return a weight or bias with zeros for the outputs it lacks."""
    filled = parameter.new_zeros(outputs, *parameter.shape[1:])
    filled[:parameter.shape[0]] = parameter.detach()
    return filled
