"""The local decode head on the patches that changed."""

from dataclasses import dataclass
from functools import cached_property
import math
from typing import Sequence

import torch

from mtshare_ros.model.heads import DecodeHead
from mtshare_ros.model.network import MultiTaskNetwork
from mtshare_ros.sharing.head import ChangedPatches, HeadGeometry, HeadPlan, HeadUpdate
from mtshare_ros.sharing.linear import PackedLinear
from mtshare_ros.sharing.memory import AUTO, overwrite, PLAIN, tensor_bytes
from mtshare_ros.sharing.pixel_maps import Level, RowConvolution
from mtshare_ros.sharing.taps import HeadInputs


@dataclass(frozen=True)
class Projection:
    """A matrix (outputs, inputs) and its bias, None where another projection has it."""

    weight: torch.Tensor
    bias: torch.Tensor | None = None


@dataclass(frozen=True)
class MergeWeights:
    """
    The projections of tokens and stem features, to ``width`` channels of each pixel.

    The sum of ``tokens`` (side ** 2 x width outputs), ``eighth`` (4 x width) and ``quarter``
    (width) is the input of a ReLU; outputs are in merging order, see ``_scaled``. ``mix`` is a
    layer with a GELU that tokens pass first. Parts that a head lacks are None.
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

    Its outputs are ordered by (channel, y, x) of their pixels, and are returned in merging order:
    pixel by pixel, the four pixels of one at 1/8 after each other.
    """
    parameter = parameter.detach().flatten(1) if parameter.ndim > 1 else parameter.detach()
    side = math.isqrt(parameter.shape[0] // scale.shape[0])
    outer, inner = max(side // 2, 1), min(side, 2)
    split = parameter.reshape(scale.shape[0], outer, inner, outer, inner, -1)
    ordered = (split * scale.view(-1, 1, 1, 1, 1, 1)).permute(1, 3, 2, 4, 0, 5)
    return ordered.reshape(parameter.shape)


@dataclass
class LocalHeadState:
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


class LocalRunner:
    """
    One task's decode head, prepared once; batch norm is folded, weights are in ``dtype``.

    Those of the last layer are float32: half precision would round depths to about three digits.
    ``projected`` is how many numbers the tokens of a patch are projected to.
    """

    def __init__(
        self, network: MultiTaskNetwork, task: str, dtype: torch.dtype = torch.float32,
        layout: str = AUTO,
    ) -> None:
        head: DecodeHead = network.heads[task]
        self.dtype = dtype
        merge = MergeWeights.of(head)
        self._merge = _Merge(merge, dtype, layout)
        self._refine = [RowConvolution(layer, dtype=dtype, layout=layout)
                        for layer in head.refine]
        self.side, self._width, self._outputs = merge.side, merge.width, head.predict.out_channels
        self._predict = PackedLinear(
            head.predict.weight.flatten(1), head.predict.bias, dtype=torch.float32,
            layout=PLAIN if self._outputs == 1 else layout)
        self.geometry = HeadGeometry.of([layer.module for layer in self._refine], self.side,
                                        network.config.patch_size)
        self.projected = self.side ** 2 * self._width
        self.macs_per_projection = merge.macs_of_tokens
        self._macs_of_stem = merge.macs_per_patch - merge.macs_of_tokens
        self._macs_per_patch = merge.macs_per_patch + self.side ** 2 * (
            sum(layer.macs_per_pixel for layer in self._refine) + self._predict.macs_per_row)

    def allocate(self, grid: tuple[int, int], device: torch.device) -> LocalHeadState:
        """Return the state of one camera for a grid of (rows, columns) patches."""
        level = Level(grid, self.side)
        features = tuple(level.allocate(self._width, self.dtype, device) for _ in self._refine)
        output = level.allocate(self._outputs, torch.float32, device)
        return LocalHeadState(level, features, output)

    def update(
        self, state: LocalHeadState, inputs: HeadInputs, patches: ChangedPatches,
        thresholds: Sequence[float] = (),
    ) -> HeadUpdate:
        """See HeadRunner."""
        count = patches.index.shape[0]
        if count == 0:
            return HeadUpdate(patches.index, 0)
        plan: HeadPlan = patches.plan(self.geometry)
        self.decode(state, self.project(inputs.of_patches(plan.patches)), plan)
        return HeadUpdate(None if patches.mask is None else plan.affected,
                          count * self._macs_per_patch)

    def dense_macs(self, grid: tuple[int, int]) -> int:
        """See HeadRunner."""
        return grid[0] * grid[1] * self._macs_per_patch

    def macs_of(self, plan: HeadPlan, level: Level) -> int:
        """Return the multiply-accumulates of ``decode``, borders round patches included."""
        pixels = [level.count if listed is None else listed.pixels.shape[0]
                  for listed in plan.layers]
        refining = sum(count * layer.macs_per_pixel
                       for count, layer in zip(pixels, self._refine))
        last = pixels[-1] if pixels else plan.merged.shape[0]
        return (plan.patches.shape[0] * self._macs_of_stem + refining
                + last * self._predict.macs_per_row)

    def project(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return what tokens (n, D) contribute to their patches' pixels: (n, projected)."""
        return self._merge.project(tokens)

    def decode(self, state: LocalHeadState, projected: torch.Tensor, plan: HeadPlan) -> None:
        """Compute the pixels of a plan; overwrites the ``projected`` tokens (n, projected)."""
        values, pixels = self._merge.complete(projected, plan), plan.merged
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
        overwrite(rows, pixels, values.to(rows.dtype))


class _Merge:
    """The sum of all levels at ``side`` pixels a patch, with batch norm and ReLU."""

    def __init__(self, weights: MergeWeights, dtype: torch.dtype, layout: str) -> None:
        def prepared(part: Projection, activation: str = 'none') -> PackedLinear:
            return PackedLinear(part.weight, part.bias, dtype=dtype, activation=activation,
                                layout=layout)

        self._width = weights.width
        self._mix = None if weights.mix is None else prepared(weights.mix, 'gelu')
        self._from_tokens = prepared(weights.tokens)
        self._from_eighth, self._from_quarter = (
            None if part is None else prepared(part) for part in (weights.eighth, weights.quarter))

    def project(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return what tokens (n, D) add to the pixels of a patch: (n, side ** 2 * width)."""
        return self._from_tokens(tokens if self._mix is None else self._mix(tokens))

    def complete(self, merged: torch.Tensor, plan: HeadPlan) -> torch.Tensor:
        """Add the stem's features; return (n * side ** 2, width), pixels in merging order."""
        for level, features in ((self._from_eighth, plan.eighth),
                                (self._from_quarter, plan.quarter)):
            if level is not None and features is not None:
                merged = level.add_to(merged.view(features.shape[0], -1), features)
        return merged.view(-1, self._width).relu_()
