"""The list of tokens that are active in a block."""

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import torch

from mtshare_ros.model.backbone import RotaryTable


@dataclass(frozen=True)
class TokenRotation:
    """
    Rotary position encoding of a list of tokens: cosines and signed sines, (n, 1, head_dim) each.

    The sines carry the signs of the rotation, so that rotating only swaps quarters of the vector
    and multiplies.
    """

    cosine: torch.Tensor
    sine: torch.Tensor

    def rotate_(self, vectors: torch.Tensor) -> torch.Tensor:
        """Rotate (n, heads, head_dim) queries or keys in place."""
        first, second, third, fourth = vectors.chunk(4, dim=2)
        turned = torch.cat((second, first, fourth, third), dim=2)
        return vectors.mul_(self.cosine).addcmul_(turned, self.sine)


class RotationTable:
    """The rotations of all tokens, from which those of a list of tokens are picked."""

    def __init__(self, table: RotaryTable, dtype: torch.dtype) -> None:
        self._cosine = table.cosine.to(dtype)[:, None]
        self._sine = _signed(table.sine).to(dtype)[:, None]

    @property
    def stacked(self) -> torch.Tensor:
        """Cosines and signed sines of all tokens as one tensor (T, 2, head_dim)."""
        return torch.cat((self._cosine, self._sine), dim=1)

    def of(self, tokens: torch.Tensor) -> TokenRotation:
        """Return the rotation of tokens (n,)."""
        return TokenRotation(self._cosine.index_select(0, tokens),
                           self._sine.index_select(0, tokens))

    def overwrite(self, tokens: torch.Tensor, table: RotaryTable) -> None:
        """Replace the rotations of tokens (n,); the source table may share their memory."""
        dtype = self._cosine.dtype
        self._cosine[tokens] = table.cosine.to(dtype)[:, None]
        self._sine[tokens] = _signed(table.sine).to(dtype)[:, None]


def _signed(sine: torch.Tensor) -> torch.Tensor:
    """Return sines (n, head_dim) with the sign that each quarter has in a rotation."""
    sign = torch.tensor((-1.0, 1.0, -1.0, 1.0), device=sine.device)
    return (sine.unflatten(1, (4, -1)) * sign[:, None]).flatten(1)


@dataclass(frozen=True)
class ActiveTokens:
    """
    The tokens of one or several encoders that a block processes, encoder by encoder.

    ``index`` (n,) int64, sorted, is encoder x T + position in the sequence, with ``token_count`` =
    T. ``counts`` are the tokens of each of M encoders. ``marks`` (M x T,) bool is true,
    among all tokens, for those that no gate may drop; None where there are none. ``rotations``
    rotate queries and keys. The sequence is the tokens of the N patches and then ``prefix`` = T -
    N prefix tokens. An encoder with active tokens lists all prefix tokens, marked, at its end.
    """

    index: torch.Tensor
    counts: tuple[int, ...]
    token_count: int
    marks: torch.Tensor | None = None
    rotations: RotationTable | None = None
    prefix: int = 0

    @property
    def total(self) -> int:
        """Tokens of all encoders."""
        return self.index.shape[0]

    @cached_property
    def positions(self) -> torch.Tensor:
        """Each token's position in the sequence (n,)."""
        return self.index if len(self.counts) == 1 else self.index % self.token_count

    @cached_property
    def encoders(self) -> torch.Tensor:
        """The number of each token's encoder (n,)."""
        return self.index // self.token_count

    @cached_property
    def forced(self) -> torch.Tensor | None:
        """Which tokens (n,) bool no gate may drop, None where there are none."""
        return None if self.marks is None else self.marks.index_select(0, self.index)

    @cached_property
    def certain(self) -> bool:
        """Whether every token is forced, so that no gate needs to be evaluated."""
        return self.forced is not None and bool(self.forced.all())

    @cached_property
    def rotation(self) -> TokenRotation | None:
        """The rotation of the tokens' queries and keys, None without rotary positions."""
        return None if self.rotations is None else self.rotations.of(self.positions)

    @property
    def patch_counts(self) -> tuple[int, ...]:
        """How many patches of each encoder are listed."""
        return self.patches_among(self.counts)

    def patches_among(self, counts: tuple[int, ...]) -> tuple[int, ...]:
        """Return how many patches are among ``counts`` active tokens of each encoder."""
        if not self.prefix:
            return counts
        return tuple(max(count - self.prefix, 0) for count in counts)

    def patches_of(self, encoder: int) -> torch.Tensor:
        """Return the patches (k,) of an encoder that are listed."""
        first = sum(self.counts[:encoder])
        index = self.index[first:first + self.patch_counts[encoder]]
        return index - encoder * self.token_count if encoder else index

    def per_token(self, values: torch.Tensor) -> torch.Tensor:
        """Return for each token (n,) the value of its encoder (M,)."""
        return values if len(self.counts) == 1 else values.index_select(0, self.encoders)

    def at(self, places: torch.Tensor) -> 'ActiveTokens':
        """Return the tokens at sorted positions (m,) of the list."""
        index = self.index.index_select(0, places)
        counts = count_by_encoder(index, len(self.counts), self.token_count)
        return replace(self, index=index, counts=counts)

    def mark(self, marks: torch.Tensor | None) -> 'ActiveTokens':
        """Return the same tokens with other ones marked."""
        return replace(self, marks=marks)


def count_by_encoder(index: torch.Tensor, encoders: int, token_count: int) -> tuple[int, ...]:
    """Return how many of the sorted tokens belong to each encoder."""
    if encoders == 1:
        return (index.shape[0],)
    places = torch.searchsorted(index, _ends(encoders, token_count, index.device)).tolist()
    return tuple(end - start for start, end in zip([0, *places], places))


@lru_cache(maxsize=32)
def _ends(encoders: int, token_count: int, device: torch.device) -> torch.Tensor:
    """Return where each encoder's tokens end (M,)."""
    return torch.arange(1, encoders + 1, device=device) * token_count
