"""The list of rows that are active in a block."""

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import torch

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
class ActiveTokens:
    """
    Token rows of one or several encoders (tasks), one encoder's after the other's.

    ``index`` (n,) int64, sorted, counts rows through all encoders: encoder x T + token, with
    ``token_count`` = T. ``counts`` are the rows of each of M encoders. ``marks`` (M x T,) bool
    names, of all rows, those that no gate may drop, None where there are none; ``rotations`` turn
    queries and keys. Tokens are the N patches of the grid and after them ``prefix`` = T - N rows
    that stand for no place of it: each encoder that has rows has all of these, marked, at the end.
    """

    index: torch.Tensor
    counts: tuple[int, ...]
    token_count: int
    marks: torch.Tensor | None = None
    rotations: RotationTable | None = None
    prefix: int = 0

    @property
    def total(self) -> int:
        """Rows of all encoders."""
        return self.index.shape[0]

    @cached_property
    def tokens(self) -> torch.Tensor:
        """Each row's token (n,)."""
        return self.index if len(self.counts) == 1 else self.index % self.token_count

    @cached_property
    def encoders(self) -> torch.Tensor:
        """The number of each row's encoder (n,)."""
        return self.index // self.token_count

    @cached_property
    def forced(self) -> torch.Tensor | None:
        """Which rows (n,) bool no gate may drop, None where there are none."""
        return None if self.marks is None else self.marks.index_select(0, self.index)

    @cached_property
    def certain(self) -> bool:
        """Whether every row is forced: then no gate need be asked."""
        return self.forced is not None and bool(self.forced.all())

    @cached_property
    def rotation(self) -> RowRotation | None:
        """What turns the rows' queries and keys, None where nothing does."""
        return None if self.rotations is None else self.rotations.of(self.tokens)

    @property
    def patch_counts(self) -> tuple[int, ...]:
        """How many patches of each encoder are listed."""
        return self.patches_among(self.counts)

    def patches_among(self, counts: tuple[int, ...]) -> tuple[int, ...]:
        """Return how many of so many rows of each encoder are patches."""
        if not self.prefix:
            return counts
        return tuple(max(count - self.prefix, 0) for count in counts)

    def patches_of(self, encoder: int) -> torch.Tensor:
        """Return the patches (k,) of a encoder that are listed."""
        first = sum(self.counts[:encoder])
        index = self.index[first:first + self.patch_counts[encoder]]
        return index - encoder * self.token_count if encoder else index

    def per_row(self, values: torch.Tensor) -> torch.Tensor:
        """Return each row's own of one value per encoder (M,)."""
        return values if len(self.counts) == 1 else values.index_select(0, self.encoders)

    def at(self, places: torch.Tensor) -> 'ActiveTokens':
        """Return the rows at sorted positions (m,) of the list."""
        index = self.index.index_select(0, places)
        counts = count_by_encoder(index, len(self.counts), self.token_count)
        return replace(self, index=index, counts=counts)

    def mark(self, marks: torch.Tensor | None) -> 'ActiveTokens':
        """Return the same rows with other ones marked."""
        return replace(self, marks=marks)


def count_by_encoder(index: torch.Tensor, encoders: int, token_count: int) -> tuple[int, ...]:
    """Return how many of the sorted rows belong to each encoder."""
    if encoders == 1:
        return (index.shape[0],)
    places = torch.searchsorted(index, _ends(encoders, token_count, index.device)).tolist()
    return tuple(end - start for start, end in zip([0, *places], places))


@lru_cache(maxsize=32)
def _ends(encoders: int, token_count: int, device: torch.device) -> torch.Tensor:
    """Return where each encoder's rows end (M,)."""
    return torch.arange(1, encoders + 1, device=device) * token_count
