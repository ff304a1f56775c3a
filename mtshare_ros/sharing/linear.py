"""Linear layers prepared once for inference on few rows."""

from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Sequence

import torch
from torch.nn import functional

from mtshare_ros.sharing.memory import AUTO, choose_layout, pack, PACKED, packed_product

_ROW_STEP, _STEP_GROWTH, _MOST_STEPS = 16, 4, 32
"""Products have multiples of 16 rows; above 32 steps the step grows fourfold, and so on."""

MOST_APPENDED = 0.5
"""Largest share of the output features that is worth appending where few rows are computed."""


class PackedLinear:
    """
    ``activation(x W^T + b)`` with the weight laid out once for the device's matrix kernels.

    Without that every call reorders the whole weight, which for few rows costs more than the
    product. ``activation`` is ``none`` or ``gelu``, ``layout`` one of ``memory.LAYOUTS``.
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

    def spare(self, count: int) -> int:
        """Return how many rows to append to ``count``, so that no product has to pad them."""
        return rounded_up(count) - count if self._packed else 0

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        """Return (n, out) in the layer's dtype for (n, in) of any float dtype."""
        if rows.dtype != self.dtype:
            rows = rows.to(self.dtype)
        if not self._packed:
            product = torch.addmm(self._bias, rows, self._matrix)
            return functional.gelu(product) if self._activation == 'gelu' else product
        count = rows.shape[0]
        if count == 0:
            return rows.new_empty(0, self._bias.shape[0])
        spare = self.spare(count)
        product = packed_product(widened(rows, spare), self._matrix, self._bias, self._activation)
        return product[:count] if spare else product

    def add_to(self, sums: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """
        Add the product with rows (n, in) of any float dtype to (n, out) in the layer's dtype.

        For layers without bias or activation.
        """
        if self._packed:
            return sums.add_(self(rows))
        return sums.addmm_(rows.to(self.dtype), self._matrix)


@dataclass(frozen=True)
class _OwnFeatures:
    """The ``features`` (k,) in which an encoder differs, appended from ``start`` to ``end``."""

    features: torch.Tensor
    start: int
    end: int


class GroupedLinear:
    """
    One linear layer of several encoders; its input is their rows one after another.

    Where delta weights fill few output features, those features of all encoders are appended to
    the base's matrix: one product computes everything, and each encoder picks its own. Otherwise
    an encoder whose weights differ has a matrix of its own. ``most_appended`` is the share of the
    output features that all encoders together may append; with 0 each has a matrix of its own.
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
        appended = differing if few else [features[:0] for features in differing]
        weights = [base.weight, *(layer.weight[features]
                                  for layer, features in zip(layers, appended))]
        biases = None if base.bias is None else torch.cat([base.bias, *(
            layer.bias[features] for layer, features in zip(layers, appended))])
        self._shared = PackedLinear(torch.cat(weights), biases, dtype=dtype,
                                    activation=activation, layout=layout)
        self._appended = _placed(appended, self.features)
        self.macs_per_row = tuple((own or self._shared).macs_per_row for own in self._own)
        """By encoder; appended features are computed for the rows of all."""

    def spare(self, count: int) -> int:
        """See PackedLinear."""
        return 0 if any(self._own) else self._shared.spare(count)

    def __call__(self, rows: torch.Tensor, counts: Sequence[int]) -> torch.Tensor:
        """
        Return (n, out) for (n, in) rows, ``counts`` of each encoder in turn.

        Spare rows may follow them; their results are undefined.
        """
        if not any(self._own):
            result = self._shared(rows)
        else:
            pieces, start = [], 0
            for end, own in self._spans(counts, rows.shape[0]):
                pieces.append(own(rows[start:end]) if own else self._shared(rows[start:end]))
                start = end
            result = pieces[0] if len(pieces) == 1 else torch.cat(pieces)
        return self._pick(result, counts) if result.shape[1] > self.features else result

    def _spans(
        self, counts: Sequence[int], total: int
    ) -> list[tuple[int, PackedLinear | None]]:
        """Return where the rows of one matrix end, and the matrix if it is an encoder's own."""
        spans: list[tuple[int, PackedLinear | None]] = []
        end = 0
        for own, count in zip(self._own, counts):
            if count == 0:
                continue
            end += count
            if spans and spans[-1][1] is None and own is None:
                spans.pop()
            spans.append((end, own))
        return [*spans[:-1], (total, spans[-1][1] if spans else None)]

    def _pick(self, wide: torch.Tensor, counts: Sequence[int]) -> torch.Tensor:
        """Return (n, out) of (n, out + appended), every encoder's own features in place."""
        result, row = wide[:, :self.features], 0
        for own, count in zip(self._appended, counts):
            if count and own is not None:
                result[row:row + count].index_copy_(
                    1, own.features, wide[row:row + count, own.start:own.end])
            row += count
        return result


def rounded_up(count: int) -> int:
    """
    Return the number of rows that a packed product of ``count`` rows is made of.

    oneDNN generates a kernel for every number of rows, which takes several times as long as the
    product itself, and caches a thousand of them. With few different numbers of rows, most kernels
    exist already.
    """
    step = _ROW_STEP
    while count > _MOST_STEPS * step:
        step *= _STEP_GROWTH
    return -(-count // step) * step


def widened(rows: torch.Tensor, spare: int) -> torch.Tensor:
    """Return rows (n, D) with ``spare`` rows of zeros below them."""
    return torch.cat((rows, rows.new_zeros(spare, rows.shape[1]))) if spare else rows


def _placed(appended: Sequence[torch.Tensor], features: int) -> list[_OwnFeatures | None]:
    """Return where the appended features of each encoder are, after ``features`` common ones."""
    ends = accumulate((len(own) for own in appended), initial=features)
    return [_OwnFeatures(own, start, end) if end > start else None
            for own, (start, end) in zip(appended, pairwise(ends))]


def _differing(base: torch.nn.Linear, layer: torch.nn.Linear) -> torch.Tensor:
    """Return the output features (k,) in which a layer differs from the base's."""
    differs = (layer.weight != base.weight).any(dim=1)
    if layer.bias is not None:
        differs |= layer.bias != base.bias
    return differs.nonzero()[:, 0]
