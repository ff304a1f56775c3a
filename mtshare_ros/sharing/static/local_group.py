"""Local decode heads of equal shape, batched."""

from dataclasses import dataclass
from typing import Sequence

import torch
from torch import nn

from mtshare_ros.model.head import DecodeHead
from mtshare_ros.sharing.head_plan import HeadGeometry
from mtshare_ros.sharing.level import Level
from mtshare_ros.sharing.local_weights import MergeWeights, Projection
from mtshare_ros.sharing.memory import tensor_bytes
from mtshare_ros.sharing.static.local_plan import LocalPlan
from mtshare_ros.sharing.static.operators import Operators
from mtshare_ros.sharing.static.stacked import StackedConvolution, StackedLinear


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
    Local heads of equal shape behind what mixes their taps, one product a layer for all of them.

    Batch norm is folded. Products are in ``dtype``; the last layer is computed in float32, whose
    steps depth needs.
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
        self.macs_per_cell = sum(item.macs_per_cell for item in weights) + self.side ** 2 * sum(
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
        """Compute the cells and pixels of a plan from tokens (H or 1, n, D)."""
        operators = self._operators
        values, bias, pixels = *self._merge(tokens, plan), plan.merged
        for number, (layer, source) in enumerate(zip(self._refine, state.features)):
            operators.relu_store(values, bias, source, pixels)
            pixels, table = plan.layer(self.geometry, number)
            values, bias = layer.windows(operators.gather(source, table, pixels)), layer.bias
        operators.predict(values, bias, self._predict.matrices, self._predict.offsets,
                          state.output, pixels)

    def dense(self, state: LocalGroupState, tokens: torch.Tensor, plan: LocalPlan) -> None:
        """Compute all cells from tokens (H or 1, N, D)."""
        if not self._refine:
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
        """Return the sum of all levels (H, n * side ** 2, width), and the bias that it lacks."""
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
