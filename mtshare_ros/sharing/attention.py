"""Attention of some rows against all cached keys and values."""

from dataclasses import dataclass
from typing import Sequence

import torch
from torch.nn import functional

from mtshare_ros.model.position import RotaryTable


@dataclass(frozen=True)
class RowRotation:
    """
    Rotary position encoding of a list of rows: cosines and signed sines, (n, 1, head_dim) each.

    The sign of the turned half stands in the sines, so that turning is a mere exchange of
    quarters.
    """

    cosine: torch.Tensor
    sine: torch.Tensor

    def rotate(self, vectors: torch.Tensor) -> torch.Tensor:
        """Rotate (n, heads, head_dim) queries or keys."""
        quarters = vectors.unflatten(2, (2, 2, -1))
        turned = quarters.flip(3).flatten(2)
        return torch.addcmul(vectors * self.cosine, turned, self.sine)


class RotationTable:
    """The rotations of all tokens, from which those of a list of rows are picked."""

    def __init__(self, table: RotaryTable, dtype: torch.dtype) -> None:
        sign = torch.tensor((-1.0, 1.0, -1.0, 1.0), device=table.sine.device)
        signed = (table.sine.unflatten(1, (4, -1)) * sign[:, None]).flatten(1)
        self._cosine = table.cosine.to(dtype)[:, None]
        self._sine = signed.to(dtype)[:, None]

    @property
    def stacked(self) -> torch.Tensor:
        """Cosines and signed sines of all tokens as one tensor (T, 2, head_dim)."""
        return torch.cat((self._cosine, self._sine), dim=1)

    def of(self, tokens: torch.Tensor) -> RowRotation:
        """Return the rotation of tokens (n,)."""
        return RowRotation(self._cosine.index_select(0, tokens),
                           self._sine.index_select(0, tokens))


def attend(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, heads: int
) -> torch.Tensor:
    """
    Return the attention output (n, D) of queries (n, D) over all keys and values (T, D).

    One row holds its heads side by side.
    """
    return functional.scaled_dot_product_attention(
        _split(query, heads), _split(key, heads), _split(value, heads)
    )[0].transpose(0, 1).flatten(1)


def attend_members(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, heads: int,
    counts: Sequence[int], token_count: int,
) -> torch.Tensor:
    """As ``attend``, each member's queries over its own T of the keys and values (M x T, D)."""
    pieces, start = [], 0
    for member, count in enumerate(counts):
        if count:
            own = slice(member * token_count, (member + 1) * token_count)
            pieces.append(attend(query[start:start + count], key[own], value[own], heads))
            start += count
    if not pieces:
        return query
    return pieces[0] if len(pieces) == 1 else torch.cat(pieces)


def _split(rows: torch.Tensor, heads: int) -> torch.Tensor:
    """Return (1, heads, n, head_dim), a view of rows (n, D)."""
    return rows.unflatten(1, (heads, -1)).transpose(0, 1)[None]
