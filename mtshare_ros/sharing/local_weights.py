"""The weights of a local head up to its first sum, with batch norm folded in."""

from dataclasses import dataclass
import math

import torch

from mtshare_ros.model.heads import DecodeHead


@dataclass(frozen=True)
class Projection:
    """A matrix (outputs, inputs) and, but for what only adds to another one's, its bias."""

    weight: torch.Tensor
    bias: torch.Tensor | None = None


@dataclass(frozen=True)
class MergeWeights:
    """
    What a local head makes of tokens and stem features, ``side`` pixels of ``width`` channels.

    The sum of ``tokens`` (side ** 2 x width outputs), ``eighth`` (4 x width) and ``quarter``
    (width) is the input of a ReLU; outputs are in merging order, see ``_scaled``. ``mix`` is the
    layer that tokens pass first, behind it a GELU. None where the head has none of it.
    """

    side: int
    width: int
    mix: Projection | None
    tokens: Projection
    eighth: Projection | None
    quarter: Projection | None

    @classmethod
    def of(cls, head: DecodeHead) -> 'MergeWeights':
        """Return the weights of a head."""
        width, norm = head.predict.in_channels, head.norm
        side = math.isqrt(head.from_tokens.out_channels // width)
        scale = (norm.weight / torch.sqrt(norm.running_var + norm.eps)).detach()
        shift = (norm.bias - norm.running_mean * scale).detach()
        mix = eighth = quarter = None
        if hasattr(head, 'mix'):
            mix = Projection(head.mix.weight.flatten(1), head.mix.bias)
        if hasattr(head, 'from_eighth'):
            eighth = Projection(_scaled(head.from_eighth.weight, scale))
            quarter = Projection(_scaled(head.from_quarter.weight, scale))
        bias = _scaled(head.from_tokens.bias, scale) + shift.repeat(side ** 2)
        tokens = Projection(_scaled(head.from_tokens.weight, scale), bias)
        return cls(side, width, mix, tokens, eighth, quarter)

    @property
    def macs_per_patch(self) -> int:
        """Multiply-accumulates of a patch."""
        pixels = self.side ** 2
        return self.macs_of_tokens + _macs((self.eighth, pixels // 4), (self.quarter, pixels))

    @property
    def macs_of_tokens(self) -> int:
        """Multiply-accumulates of what a patch's tokens are projected to."""
        return _macs((self.mix, 1), (self.tokens, 1))


def _macs(*parts: tuple[Projection | None, int]) -> int:
    """Return the multiply-accumulates of matrices and how often each is used."""
    return sum(times * part.weight.numel() for part, times in parts if part is not None)


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
