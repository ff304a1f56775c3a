"""Linear layers prepared once for inference on few rows."""

from typing import Sequence

import torch
from torch.nn import functional

from mtshare_ros.sharing.layout import AUTO, choose_layout, pack, PACKED

_ROW_STEP, _STEP_GROWTH, _MOST_STEPS = 16, 4, 32
"""Products have multiples of 16 rows; above 32 steps the step grows fourfold, and so on."""

MOST_APPENDED = 0.5
"""Share of the output features that is worth appending, for rows of which few are computed."""


class PackedLinear:
    """
    ``activation(x W^T + b)`` with the weight laid out once for the device's matrix kernels.

    Without that every call reorders the whole weight, which for few rows costs more than the
    product. ``activation`` is ``none`` or ``gelu``, ``layout`` one of ``layout.LAYOUTS``.
    """

    def __init__(
        self, weight: torch.Tensor, bias: torch.Tensor | None, *, dtype: torch.dtype,
        activation: str = 'none', layout: str = AUTO,
    ) -> None:
        self.macs_per_row = weight.numel()
        self.dtype = dtype
        self._activation = activation
        weight = weight.detach().to(dtype)
        zero = weight.new_zeros(weight.shape[0])
        self._bias = zero if bias is None else bias.detach().to(dtype)
        self._packed = choose_layout(layout, weight.device.type, dtype) == PACKED
        self._matrix = pack(weight) if self._packed else weight.t().contiguous()

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        """Return (n, out) in the layer's dtype for (n, in) of any float dtype."""
        rows = rows.to(self.dtype)
        if self._packed:
            return self._packed_product(rows)
        product = torch.addmm(self._bias, rows, self._matrix)
        return functional.gelu(product) if self._activation == 'gelu' else product

    def _packed_product(self, rows: torch.Tensor) -> torch.Tensor:
        count = rows.shape[0]
        if count == 0:
            return rows.new_empty(0, self._bias.shape[0])
        return torch.ops.mkldnn._linear_pointwise(
            _padded(rows, rounded_up(count)), self._matrix, self._bias, self._activation, [],
            'none')[:count]


class GroupedLinear:
    """
    One linear layer of several members (tasks), fed with their rows one after another.

    Where delta weights fill few output features, those features of all members are appended to the
    base's matrix: one product computes everything, and each member picks its own. Otherwise a
    member whose weights differ has a matrix of its own. ``most_appended`` is the share of the
    output features that all members together may append; with 0 each has a matrix of its own.
    """

    def __init__(
        self, layers: Sequence[torch.nn.Linear], *, dtype: torch.dtype, activation: str = 'none',
        layout: str = AUTO, most_appended: float = MOST_APPENDED,
    ) -> None:
        base = layers[0]
        self.features = base.out_features
        self.plain_macs_per_row = base.weight.numel()
        differing = [_differing(base, layer) for layer in layers]
        few = sum(map(len, differing)) <= most_appended * self.features
        self._own: list[PackedLinear | None] = [
            None if few or not len(features) else
            PackedLinear(layer.weight, layer.bias, dtype=dtype, activation=activation,
                         layout=layout)
            for layer, features in zip(layers, differing)]
        self._appended = differing if few else [features[:0] for features in differing]
        weights = [base.weight, *(layer.weight[features]
                                  for layer, features in zip(layers, self._appended))]
        biases = None if base.bias is None else torch.cat([base.bias, *(
            layer.bias[features] for layer, features in zip(layers, self._appended))])
        self._shared = PackedLinear(torch.cat(weights), biases, dtype=dtype,
                                    activation=activation, layout=layout)

    def __call__(self, rows: torch.Tensor, counts: Sequence[int]) -> torch.Tensor:
        """Return (n, out) for (n, in) rows, ``counts`` of each member in turn."""
        pieces, start = [], 0
        for end, own in self._spans(counts):
            pieces.append(own(rows[start:end]) if own else self._shared(rows[start:end]))
            start = end
        result = pieces[0] if len(pieces) == 1 else torch.cat(pieces)
        return self._pick(result, counts) if result.shape[1] > self.features else result

    def macs(self, counts: Sequence[int]) -> int:
        """Return the multiply-accumulates of a call: appended features are computed for all."""
        return sum(count * (own or self._shared).macs_per_row
                   for own, count in zip(self._own, counts))

    def _spans(self, counts: Sequence[int]) -> list[tuple[int, PackedLinear | None]]:
        """Return where runs of rows that go through one matrix end, and whose own it is."""
        spans: list[tuple[int, PackedLinear | None]] = []
        end = 0
        for own, count in zip(self._own, counts):
            if count == 0:
                continue
            end += count
            if spans and spans[-1][1] is None and own is None:
                spans.pop()
            spans.append((end, own))
        return spans or [(0, None)]

    def _pick(self, wide: torch.Tensor, counts: Sequence[int]) -> torch.Tensor:
        """Return (n, out) of (n, out + appended), every member's own features in place."""
        result, row, column = wide[:, :self.features], 0, self.features
        for features, count in zip(self._appended, counts):
            if count and len(features):
                own = wide[row:row + count, column:column + len(features)]
                result[row:row + count].index_copy_(1, features, own)
            row, column = row + count, column + len(features)
        return result


def rounded_up(count: int) -> int:
    """
    Return the number of rows that a packed product of ``count`` rows is made of.

    oneDNN generates a kernel for every number of rows, which takes several times as long as the
    product itself, and keeps a thousand of them. Few different numbers find theirs made already.
    """
    step = _ROW_STEP
    while count > _MOST_STEPS * step:
        step *= _STEP_GROWTH
    return -(-count // step) * step


def _padded(rows: torch.Tensor, count: int) -> torch.Tensor:
    """Return rows with zeros below them, ``count`` in all."""
    if rows.shape[0] == count:
        return rows
    padded = rows.new_empty(count, rows.shape[1])
    padded[:rows.shape[0]].copy_(rows)
    padded[rows.shape[0]:].zero_()
    return padded


def _differing(base: torch.nn.Linear, layer: torch.nn.Linear) -> torch.Tensor:
    """Return the output features (k,) in which a layer differs from the base's."""
    differs = (layer.weight != base.weight).any(dim=1)
    if layer.bias is not None:
        differs |= layer.bias != base.bias
    return differs.nonzero()[:, 0]
