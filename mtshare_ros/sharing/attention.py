"""Attention of some rows against all cached keys and values."""

from dataclasses import dataclass
from functools import cached_property
from typing import Sequence

import torch
from torch.nn import functional

from mtshare_ros.model.backbone import RotaryTable


@dataclass(frozen=True)
class RowRotation:
    """
    Rotary position encoding of a list of rows: cosines and signed sines, (n, 1, head_dim) each.

    The sign of the turned half stands in the sines, so that turning is a mere exchange of
    quarters.
    """

    cosine: torch.Tensor
    sine: torch.Tensor

    def rotate_(self, vectors: torch.Tensor) -> torch.Tensor:
        """Rotate (n, heads, head_dim) queries or keys in place."""
        first, second, third, fourth = vectors.chunk(4, dim=2)
        turned = torch.cat((second, first, fourth, third), dim=2)
        return vectors.mul_(self.cosine).addcmul_(turned, self.sine)


class RotationTable:
    """The rotations of all tokens, from which those of a list of rows are picked."""

    def __init__(self, table: RotaryTable, dtype: torch.dtype) -> None:
        self._cosine = table.cosine.to(dtype)[:, None]
        self._sine = _signed(table.sine).to(dtype)[:, None]

    @property
    def stacked(self) -> torch.Tensor:
        """Cosines and signed sines of all tokens as one tensor (T, 2, head_dim)."""
        return torch.cat((self._cosine, self._sine), dim=1)

    def of(self, tokens: torch.Tensor) -> RowRotation:
        """Return the rotation of tokens (n,)."""
        return RowRotation(self._cosine.index_select(0, tokens),
                           self._sine.index_select(0, tokens))

    def overwrite(self, tokens: torch.Tensor, table: RotaryTable) -> None:
        """Let tokens (n,) turn otherwise; the table that this one was made of may change too."""
        dtype = self._cosine.dtype
        self._cosine[tokens] = table.cosine.to(dtype)[:, None]
        self._sine[tokens] = _signed(table.sine).to(dtype)[:, None]


def _signed(sine: torch.Tensor) -> torch.Tensor:
    """Return sines (n, head_dim) with the signs of the turned half."""
    sign = torch.tensor((-1.0, 1.0, -1.0, 1.0), device=sine.device)
    return (sine.unflatten(1, (4, -1)) * sign[:, None]).flatten(1)


@dataclass(frozen=True)
class KeyValueCache:
    """
    The keys and values of the T tokens of M encoders.

    ``rows`` (M x T, 2D): the key of a token, and beside it its value, of all ``heads`` each.
    """

    rows: torch.Tensor
    encoders: int
    heads: int

    @classmethod
    def allocate(
        cls, encoders: int, token_count: int, width: int, heads: int, dtype: torch.dtype,
        device: torch.device,
    ) -> 'KeyValueCache':
        """Return an empty cache for rows of ``width`` D."""
        rows = torch.zeros(encoders * token_count, 2 * width, dtype=dtype, device=device)
        return cls(rows, encoders, heads)

    @cached_property
    def _of_encoders(self) -> list[tuple[torch.Tensor, ...]]:
        """Each encoder's keys and values (1, heads, T, head_dim)."""
        return [tuple(_split(half, self.heads) for half in own.chunk(2, dim=1))
                for own in self.rows.chunk(self.encoders)]

    def attend(self, query: torch.Tensor, counts: Sequence[int]) -> torch.Tensor:
        """Return (n, D) for queries (n, D), ``counts`` of each encoder, over its own tokens."""
        split, pieces, start = _split(query, self.heads), [], 0
        for count, (key, value) in zip(counts, self._of_encoders):
            if count:
                mixed = functional.scaled_dot_product_attention(
                    split.narrow(2, start, count), key, value)
                pieces.append(mixed.transpose(1, 2))
                start += count
        if not pieces:
            return query
        whole = pieces[0] if len(pieces) == 1 else torch.cat(pieces, dim=1)
        return whole[0].flatten(1)


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


def _split(rows: torch.Tensor, heads: int) -> torch.Tensor:
    """Return (1, heads, n, head_dim), a view of rows (n, D)."""
    return rows.unflatten(1, (heads, -1)).transpose(0, 1)[None]
