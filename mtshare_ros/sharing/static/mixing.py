"""The layers that local heads with ``hidden`` send their tokens through first."""

from typing import Mapping, Sequence

import torch

from mtshare_ros.sharing.local_weights import Projection
from mtshare_ros.sharing.static.operators import Operators
from mtshare_ros.sharing.static.stacked import StackedLinear


class JointMixing:
    """One product for several groups of heads, all of which read the same rows."""

    def __init__(
        self, groups: Mapping[int, Sequence[Projection]], dtype: torch.dtype, operators: Operators
    ) -> None:
        self._operators = operators
        layers = [layer for group in groups.values() for layer in group]
        self._sizes = {number: (len(group), group[0].weight.shape[0])
                       for number, group in groups.items()}
        self._layer = StackedLinear(
            [torch.cat([layer.weight for layer in layers])],
            [torch.cat([layer.bias for layer in layers if layer.bias is not None])], dtype)

    def __call__(self, rows: torch.Tensor) -> dict[int, torch.Tensor]:
        """Return (H, n, hidden) by the number of the group, for rows (1, n, D)."""
        mixed = self._operators.bias_gelu(self._layer(rows), self._layer.bias)[0]
        pieces = mixed.split([heads * width for heads, width in self._sizes.values()], dim=1)
        return {number: piece.unflatten(1, size).transpose(0, 1)
                for (number, size), piece in zip(self._sizes.items(), pieces)}


class GroupMixing:
    """One product for the heads of a group, whose rows may differ."""

    def __init__(
        self, group: Sequence[Projection], dtype: torch.dtype, operators: Operators
    ) -> None:
        self._operators = operators
        self._layer = StackedLinear.of(group, dtype)

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        """Return (H, n, hidden) for rows (H or 1, n, D)."""
        return self._operators.bias_gelu(self._layer(rows), self._layer.bias)
