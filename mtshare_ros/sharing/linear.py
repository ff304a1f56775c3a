"""Linear layers prepared once for inference on few rows."""

from functools import lru_cache
import time
from typing import Callable, Sequence

import torch
from torch.nn import functional

_TYPICAL_ROWS = 64
"""Rows a packed layout is chosen for; other counts run with the same layout."""

_PROBES = 12

LARGEST_OWN_SHARE = 0.5
"""Share of own output features above which a member gets a whole matrix of its own."""


class PackedLinear:
    """
    ``activation(x W^T + b)`` with the weight laid out once for the device's matrix kernels.

    Without that every call reorders the whole weight, which for few rows costs more than the
    product. ``activation`` is ``none`` or ``gelu``. ``packed`` chooses oneDNN's layout, None the
    one that is faster here.
    """

    def __init__(
        self, weight: torch.Tensor, bias: torch.Tensor | None, *, dtype: torch.dtype,
        activation: str = 'none', packed: bool | None = None,
    ) -> None:
        self.macs_per_row = weight.numel()
        self.dtype = dtype
        self._activation = activation
        weight = weight.detach().to(dtype)
        zero = weight.new_zeros(weight.shape[0])
        self._bias = zero if bias is None else bias.detach().to(dtype)
        self._packed = _packing_pays(weight.device.type, dtype) if packed is None else packed
        self._matrix = _pack(weight) if self._packed else weight.t().contiguous()

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        """Return (n, out) in the layer's dtype for (n, in) of any float dtype."""
        rows = rows.to(self.dtype)
        if self._packed and rows.shape[0]:
            return torch.ops.mkldnn._linear_pointwise(
                rows, self._matrix, self._bias, self._activation, [], 'none')
        if self._packed:
            return rows.new_empty(0, self._bias.shape[0])
        product = torch.addmm(self._bias, rows, self._matrix)
        return functional.gelu(product) if self._activation == 'gelu' else product


class GroupedLinear:
    """
    One linear layer of several members (tasks), fed with their rows one after another.

    Output features in which a member agrees with the first one are computed for all members in one
    product; only the features of its own are computed apart, so a sparse delta weight of whole
    output rows costs what it weighs.
    """

    def __init__(
        self, layers: Sequence[torch.nn.Linear], *, dtype: torch.dtype, activation: str = 'none',
    ) -> None:
        base = layers[0]
        self.features = base.out_features
        self._shared = PackedLinear(base.weight, base.bias, dtype=dtype, activation=activation)
        self._own = [_own_features(base, layer, dtype, activation) for layer in layers]

    def __call__(self, rows: torch.Tensor, counts: Sequence[int]) -> torch.Tensor:
        """Return (n, out) for (n, in) rows, ``counts`` of each member in turn."""
        if all(own is None for own, count in zip(self._own, counts) if count):
            return self._shared(rows)
        pieces, start = [], 0
        for end, whole in self._spans(counts):
            linear = whole or self._shared
            pieces.append(linear(rows[start:end]))
            start = end
        result = pieces[0] if len(pieces) == 1 else torch.cat(pieces)
        self._overwrite(result, rows, counts)
        return result

    def macs(self, counts: Sequence[int]) -> int:
        """Return the multiply-accumulates of a call."""
        total = 0
        for own, count in zip(self._own, counts):
            total += count * self._shared.macs_per_row
            if own is not None:
                extra = own.linear.macs_per_row
                total += count * (extra if own.features is not None
                                  else extra - self._shared.macs_per_row)
        return total

    def _spans(self, counts: Sequence[int]) -> list[tuple[int, PackedLinear | None]]:
        """Return where runs of rows that go through one matrix end, and which one it is."""
        spans: list[tuple[int, PackedLinear | None]] = []
        end = 0
        for own, count in zip(self._own, counts):
            if count == 0:
                continue
            end += count
            whole = own.linear if own is not None and own.features is None else None
            if spans and spans[-1][1] is None and whole is None:
                spans.pop()
            spans.append((end, whole))
        return spans

    def _overwrite(
        self, result: torch.Tensor, rows: torch.Tensor, counts: Sequence[int]
    ) -> None:
        start = 0
        for own, count in zip(self._own, counts):
            if own is not None and own.features is not None and count:
                piece = slice(start, start + count)
                result[piece].index_copy_(1, own.features, own.linear(rows[piece]))
            start += count


class _OwnFeatures:
    """The part of a member's layer that differs: some output features, or (None) all of them."""

    def __init__(self, linear: PackedLinear, features: torch.Tensor | None) -> None:
        self.linear = linear
        self.features = features


def _own_features(
    base: torch.nn.Linear, layer: torch.nn.Linear, dtype: torch.dtype, activation: str
) -> _OwnFeatures | None:
    differs = (layer.weight != base.weight).any(dim=1)
    if layer.bias is not None:
        differs |= layer.bias != base.bias
    features = differs.nonzero()[:, 0]
    if features.numel() == 0:
        return None
    if features.numel() > LARGEST_OWN_SHARE * differs.numel():
        return _OwnFeatures(
            PackedLinear(layer.weight, layer.bias, dtype=dtype, activation=activation), None)
    bias = None if layer.bias is None else layer.bias[features]
    own = PackedLinear(layer.weight[features], bias, dtype=dtype, activation=activation)
    return _OwnFeatures(own, features)


def _pack(weight: torch.Tensor) -> torch.Tensor:
    """Return a weight (out, in) in the layout of oneDNN."""
    return torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), _TYPICAL_ROWS)


@lru_cache(maxsize=8)
def _packing_pays(device: str, dtype: torch.dtype) -> bool:
    """
    Tell whether oneDNN's layout beats a transposed matrix; measured once in a process.

    On the CPUs tried, MKL wins with float32 on Intel and oneDNN on AMD; in bfloat16 oneDNN does.
    """
    if device != 'cpu' or not torch.backends.mkldnn.is_available():
        return False
    weights = [torch.ones(768, 192, dtype=dtype) for _ in range(_PROBES)]
    rows, bias = torch.ones(_TYPICAL_ROWS // 2, 192, dtype=dtype), torch.ones(768, dtype=dtype)
    try:
        packed = [_pack(weight) for weight in weights]
        first = _time(lambda weight: torch.ops.mkldnn._linear_pointwise(
            rows, weight, bias, 'none', [], 'none'), packed)
    except (AttributeError, RuntimeError, NotImplementedError):  # not in every PyTorch
        return False
    plain = [weight.t().contiguous() for weight in weights]
    return first < _time(lambda weight: torch.addmm(bias, rows, weight), plain)


def _time(product: Callable[[torch.Tensor], torch.Tensor], weights: list[torch.Tensor]) -> float:
    """Return the least seconds of a product with each of the weights in turn."""
    best = float('inf')
    for _ in range(_PROBES):
        start = time.perf_counter()
        for weight in weights:
            product(weight)
        best = min(best, time.perf_counter() - start)
    return best
