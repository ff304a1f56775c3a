"""Local decode heads of equal shape, computed as one batch."""

from dataclasses import dataclass
from functools import cached_property
from typing import Iterable, Sequence

import torch
from torch import nn

from mtshare_ros.model.heads import DecodeHead
from mtshare_ros.sharing.head import HeadGeometry, pixels_in_merging_order
from mtshare_ros.sharing.local_runner import MergeWeights, Projection
from mtshare_ros.sharing.memory import PLAIN, tensor_bytes
from mtshare_ros.sharing.pixel_maps import Level, pixels_of_patches, RowConvolution, taps_of_pixels
from mtshare_ros.sharing.static.fixed_lists import FrameLists
from mtshare_ros.sharing.static.operators import Operators
from mtshare_ros.sharing.stem import StemState


class StackedLinear:
    """
    The same linear layer of H heads, computed as one product.

    ``weights`` are (outputs, inputs) and ``biases`` (outputs,), one of each a head. Heads with
    fewer outputs than others are filled up with zeros, to two outputs at least, because a product
    with one column rounds differently in lists of other lengths. ``matrices`` are (H, inputs,
    outputs) in ``dtype``, ``offsets`` (H, 1, outputs) float32. With several heads ``bias`` is left
    to the operator that follows, because a batched product would first write it to every row. With
    one head it is part of the product, and None.
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
    """A convolution with ReLU of H heads that keeps a map's size; maps are (H, pixels, C)."""

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

        It is without the ReLU, and without ``bias`` where that is not None.
        """
        return self._windows(values)

    def everywhere(self, level: Level, source: torch.Tensor, target: torch.Tensor) -> None:
        """Compute all pixels of maps (H, count + 1, C), with the ReLU, into other maps."""
        for single, image, result in zip(self._single, source, target):
            single.image(level.image(image), level.image(result))


def _filled_up(parameter: torch.Tensor, outputs: int) -> torch.Tensor:
    """Return a weight or bias with zeros for the outputs it lacks."""
    filled = parameter.new_zeros(outputs, *parameter.shape[1:])
    filled[:parameter.shape[0]] = parameter.detach()
    return filled


@dataclass(frozen=True)
class LocalTables:
    """
    Index tables of a grid, kept because graphs hold their addresses.

    ``merging`` (N, side ** 2) are each patch's pixels in merging order, ``eighth`` (N, side ** 2 /
    4) those at half the side. ``taps`` (count, kernel ** 2) are the pixels that each pixel reads,
    by kernel and padding.
    """

    level: Level
    merging: torch.Tensor
    eighth: torch.Tensor
    taps: dict[tuple[int, int], torch.Tensor]

    @classmethod
    def of(
        cls, level: Level, geometries: Iterable[HeadGeometry], device: torch.device
    ) -> 'LocalTables':
        """Return the tables of heads of some geometries."""
        kinds = {kind for item in geometries for kind in zip(item.kernels, item.paddings)}
        return cls(
            level, pixels_in_merging_order(level, device),
            pixels_of_patches(Level(level.grid, level.side // 2), device),
            {kind: taps_of_pixels(level, level, device, kernel=kind[0], padding=kind[1])
             for kind in kinds})

    @property
    def nbytes(self) -> int:
        """Bytes of the tables."""
        return tensor_bytes(self.merging, self.eighth, *self.taps.values())


@dataclass(frozen=True)
class LocalPlan:
    """What local heads compute in a frame: the patches of ``lists``, None for all of them."""

    tables: LocalTables
    stem: StemState
    operators: Operators
    lists: FrameLists | None = None

    @cached_property
    def merged(self) -> torch.Tensor:
        """The pixels (n * side ** 2,) of the patches, in merging order."""
        table = self.tables.merging
        some = table if self.lists is None else table.index_select(0, self.lists.patches)
        return some.view(-1)

    @cached_property
    def eighth(self) -> torch.Tensor | None:
        """The stem's features (n * side ** 2 / 4, C) at half the side."""
        if self.stem.eighth is None:
            return None
        if self.lists is None:
            return self.stem.eighth.index_select(0, self.tables.eighth.view(-1))
        features = self.operators.gather(
            self.stem.eighth[None], self.tables.eighth, self.lists.patches)
        return features.view(-1, self.stem.eighth.shape[1])

    @cached_property
    def quarter(self) -> torch.Tensor | None:
        """The stem's features (n * side ** 2, C) of the merged pixels."""
        if self.stem.quarter is None:
            return None
        return self.stem.quarter.index_select(0, self.merged)

    def layer(self, geometry: HeadGeometry, number: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the pixels (p,) that a convolution computes, and those that each reads."""
        if self.lists is None:
            raise RuntimeError('a frame of all patches has no lists of pixels')
        kind = geometry.kernels[number], geometry.paddings[number]
        return self.lists.heads[geometry].layers[number], self.tables.taps[kind]


@dataclass(frozen=True)
class LocalGroupState:
    """
    What H heads remember of one camera, as rows of channels (see ``Level``).

    ``features`` (H, count + 1, width) are what the 3x3 convolutions read, in the dtype of the
    products; ``output`` (H, count + 1, C) float32 the raw outputs, filled up to the most channels.
    """

    level: Level
    features: tuple[torch.Tensor, ...]
    output: torch.Tensor

    @property
    def nbytes(self) -> int:
        """Bytes of the buffers."""
        return tensor_bytes(*self.features, self.output)


class LocalGroup:
    """
    Local heads of equal shape behind their hidden layers, one product a layer for all of them.

    Batch norm is folded. Products are in ``dtype``; the last layer is in float32, whose precision
    depth needs.
    """

    def __init__(
        self, tasks: Sequence[str], heads: Sequence[DecodeHead], patch_size: int,
        dtype: torch.dtype, operators: Operators,
    ) -> None:
        self.tasks, self._operators = tuple(tasks), operators
        weights = [MergeWeights.of(head) for head in heads]
        self.side, self._width, self._dtype = weights[0].side, weights[0].width, dtype
        self._tokens = StackedLinear.of([item.tokens for item in weights], dtype)
        self._eighth = _adding([item.eighth for item in weights], dtype)
        self._quarter = _adding([item.quarter for item in weights], dtype)
        self._refine = [StackedConvolution(layers, dtype)
                        for layers in zip(*(head.refine for head in heads))]
        self._outputs = [head.predict.out_channels for head in heads]
        self._predict = StackedLinear([head.predict.weight.flatten(1) for head in heads],
                                      [head.predict.bias for head in heads], torch.float32)
        self.macs_per_patch = sum(item.macs_per_patch for item in weights) + self.side ** 2 * sum(
            module.weight.numel() for head in heads for module in (*head.refine.modules(),
                                                                   head.predict)
            if isinstance(module, nn.Conv2d))
        self.geometry = HeadGeometry.of(
            [layer.module for layer in self._refine], self.side, patch_size)

    def allocate(self, level: Level, device: torch.device) -> LocalGroupState:
        """Return empty buffers."""
        def make(channels: int, dtype: torch.dtype) -> torch.Tensor:
            return torch.zeros(
                len(self.tasks), level.count + 1, channels, dtype=dtype, device=device)

        return LocalGroupState(
            level, tuple(make(self._width, self._dtype) for _ in self._refine),
            make(self._predict.outputs, torch.float32))

    def raw(self, state: LocalGroupState, task: str) -> torch.Tensor:
        """Return a task's raw output as a view (1, C, h, w) float32."""
        number = self.tasks.index(task)
        return state.level.image(state.output[number])[:, :self._outputs[number]]

    def update(self, state: LocalGroupState, tokens: torch.Tensor, plan: LocalPlan) -> None:
        """Compute the patches and pixels of a plan from tokens (H or 1, n, D)."""
        operators = self._operators
        values, bias, pixels = *self._merge(tokens, plan), plan.merged
        for number, (layer, source) in enumerate(zip(self._refine, state.features)):
            operators.relu_store(values, bias, source, pixels)
            pixels, table = plan.layer(self.geometry, number)
            values, bias = layer.windows(operators.gather(source, table, pixels)), layer.bias
        operators.predict(values, bias, self._predict.matrices, self._predict.offsets,
                          state.output, pixels)

    def dense(self, state: LocalGroupState, tokens: torch.Tensor, plan: LocalPlan) -> None:
        """Compute all patches from tokens (H or 1, N, D)."""
        if not self._refine:
            # without convolutions an update needs no lists of pixels
            return self.update(state, tokens, plan)
        values, bias = self._merge(tokens, plan)
        self._operators.relu_store(values, bias, state.features[0], plan.merged)
        refined = torch.empty_like(state.features[0])
        for layer, source, target in zip(
                self._refine, state.features, (*state.features[1:], refined)):
            layer.everywhere(state.level, source, target)
        shown = self._predict(refined[:, :-1].float())
        if self._predict.bias is not None:
            shown.add_(self._predict.bias)
        state.output[:, :-1].copy_(shown)

    def _merge(
        self, tokens: torch.Tensor, plan: LocalPlan
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return the sum of all levels (H, n * side ** 2, width), and a bias to add to it."""
        values, bias = self._tokens(tokens), self._tokens.bias
        for matrices, features in ((self._eighth, plan.eighth), (self._quarter, plan.quarter)):
            if matrices is not None and features is not None:
                values = values.view(len(matrices), -1, matrices.shape[2])
                values.baddbmm_(features.expand(len(matrices), -1, -1), matrices)
        pixels = len(self.tasks), -1, self._width
        return values.view(pixels), None if bias is None else bias.view(pixels)


def _adding(
    layers: Sequence[Projection | None], dtype: torch.dtype
) -> torch.Tensor | None:
    """Return the matrices (H, inputs, outputs) of layers without a bias, None for no layers."""
    weights = [layer.weight.t() for layer in layers if layer is not None]
    return torch.stack(weights).to(dtype) if weights else None
