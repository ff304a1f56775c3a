"""
Attention of some tokens over all of them: over cached keys, or kept exact while some keys change.

``AttentionMemory`` keeps softmax attention exact at a cost that falls with the number of changed
keys. A token's output O is a mean of values weighted by exp(score); the logarithm of the sum of
these weights is its log-sum-exp L. Some keys C have the share exp(l - L) of the mean, where l is
the log-sum-exp over C alone. So what the old keys of C contributed is subtracted, and what the new
ones contribute is added, by attending to C only:

    d = 1 + exp(l1 - L) - exp(l0 - L)
    O <- (O + o1 exp(l1 - L) - o0 exp(l0 - L)) / d,    L <- L + log d

with o, l of the old (0) and the new (1) keys and values. No N x N buffer is kept.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache
import math
from typing import Callable, Sequence

import torch
from torch.nn import functional

from mtshare_ros.sharing.memory import tensor_bytes


@dataclass(frozen=True)
class KeyValueCache:
    """
    The keys and values of the T tokens of M encoders.

    ``pairs`` (M x T, 2D): the key of a token beside its value, each with all ``heads``.
    """

    pairs: torch.Tensor
    encoders: int
    heads: int

    @classmethod
    def allocate(
        cls, encoders: int, token_count: int, width: int, heads: int, dtype: torch.dtype,
        device: torch.device,
    ) -> 'KeyValueCache':
        """Return an empty cache for tokens of ``width`` D."""
        pairs = torch.zeros(encoders * token_count, 2 * width, dtype=dtype, device=device)
        return cls(pairs, encoders, heads)

    @cached_property
    def _of_encoders(self) -> list[tuple[torch.Tensor, ...]]:
        """Each encoder's keys and values (1, heads, T, head_dim)."""
        return [tuple(_split(half, self.heads) for half in own.chunk(2, dim=1))
                for own in self.pairs.chunk(self.encoders)]

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

    The heads of a token are side by side.
    """
    return functional.scaled_dot_product_attention(
        _split(query, heads), _split(key, heads), _split(value, heads)
    )[0].transpose(0, 1).flatten(1)


def _split(rows: torch.Tensor, heads: int) -> torch.Tensor:
    """Return (1, heads, n, head_dim), a view of tokens (n, D)."""
    return rows.unflatten(1, (heads, -1)).transpose(0, 1)[None]


LARGEST_SHARE = 1 / 3
"""Share of changed keys above which attending to all of them costs less."""

LARGEST_LOSS = 0.9
"""Share of its weights that a token may lose; beyond it, rounding errors dominate the rest."""

LARGEST_GAIN = 1e4
"""Factor by which new keys may outweigh all others; far more would overflow."""


@dataclass(frozen=True)
class Attended:
    """Attention output (n, D) and its log-sum-exp (n, heads), float32 or better."""

    mixed: torch.Tensor
    log_sum: torch.Tensor


_Kernel = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


def attend_with_lse(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, heads: int
) -> Attended:
    """
    Return the attention of queries (n, D) over keys and values (m, D), with its log-sum-exp.

    The heads of a token are side by side.
    """
    split = [rows.unflatten(1, (heads, -1)).transpose(0, 1)[None] for rows in (query, key, value)]
    kernel = _kernel_for(query.device.type, query.dtype, split[0].shape[3])
    mixed, log_sum = kernel(*split)
    kind = torch.promote_types(query.dtype, torch.float32)
    return Attended(mixed[0].transpose(0, 1).flatten(1).to(kind), log_sum[0].t().to(kind))


@dataclass(frozen=True)
class AttentionMemory:
    """
    What incremental attention remembers of N tokens.

    ``query``, ``key``, ``value`` are (N, D), rotary positions applied; ``mixed`` (N, D) is the
    attention output of every token over all keys and ``log_sum`` (N, heads) its log-sum-exp,
    float32 or better: errors of half precision would add up from frame to frame.
    """

    query: torch.Tensor
    key: torch.Tensor
    value: torch.Tensor
    mixed: torch.Tensor
    log_sum: torch.Tensor

    @classmethod
    def allocate(
        cls, token_count: int, width: int, heads: int, dtype: torch.dtype, device: torch.device
    ) -> 'AttentionMemory':
        """Return empty buffers; ``attend_anew`` must run before ``renew``."""
        kind = torch.promote_types(dtype, torch.float32)
        query, key, value = torch.zeros(3, token_count, width, dtype=dtype, device=device).unbind()
        return cls(query, key, value, torch.zeros(token_count, width, dtype=kind, device=device),
                   torch.zeros(token_count, heads, dtype=kind, device=device))

    @property
    def nbytes(self) -> int:
        """Bytes of the buffers."""
        return tensor_bytes(self.query, self.key, self.value, self.mixed, self.log_sum)

    def part(self, start: int, end: int) -> 'AttentionMemory':
        """Return the memory of some of the tokens, as views: they attend to each other only."""
        return AttentionMemory(*(buffer[start:end] for buffer in (
            self.query, self.key, self.value, self.mixed, self.log_sum)))

    def attend_anew(self) -> None:
        """Compute the output of every token from the remembered queries, keys and values."""
        attended = attend_with_lse(self.query, self.key, self.value, self._heads)
        self.mixed.copy_(attended.mixed)
        self.log_sum.copy_(attended.log_sum)

    def renew(
        self, tokens: torch.Tensor, query: torch.Tensor, key: torch.Tensor,
        value: torch.Tensor,
    ) -> None:
        """Replace queries, keys and values (n, D) of tokens (n,); every output is updated."""
        if tokens.shape[0] == 0:
            return
        total = self.mixed.shape[0]
        if tokens.shape[0] > LARGEST_SHARE * total:
            self._write(tokens, query, key, value)
            self.attend_anew()
            return
        anew = self._exchange(tokens, key, value)
        self._write(tokens, query, key, value)
        anew.index_fill_(0, tokens, True)
        self._attend_some(anew.nonzero()[:, 0])

    @property
    def _heads(self) -> int:
        return self.log_sum.shape[1]

    def _write(
        self, tokens: torch.Tensor, query: torch.Tensor, key: torch.Tensor,
        value: torch.Tensor,
    ) -> None:
        for buffer, new in ((self.query, query), (self.key, key), (self.value, value)):
            buffer.index_copy_(0, tokens, new)

    def _exchange(
        self, tokens: torch.Tensor, key: torch.Tensor, value: torch.Tensor
    ) -> torch.Tensor:
        """Exchange what old keys contribute; return which outputs (N,) must be computed again."""
        old_key, old_value = (item.index_select(0, tokens) for item in (self.key, self.value))
        new = attend_with_lse(self.query, key, value, self._heads)
        old = attend_with_lse(self.query, old_key, old_value, self._heads)
        gain = (new.log_sum - self.log_sum).exp_()
        loss = (old.log_sum - self.log_sum).exp_()
        # the clamp only avoids a division by 0: outputs that lose so much are computed again
        left = (1 + gain - loss).clamp_(min=1e-3)
        mixed = self.mixed.unflatten(1, (self._heads, -1))
        mixed.addcmul_(new.mixed.view_as(mixed), gain[..., None])
        mixed.addcmul_(old.mixed.view_as(mixed), loss[..., None], value=-1)
        mixed.div_(left[..., None])
        self.log_sum.add_(left.log_())
        sound = ((loss <= LARGEST_LOSS) & (gain <= LARGEST_GAIN)).all(dim=1)
        # keys may overflow in half precision; the outputs are then computed again
        return ~(sound & self.mixed.sum(dim=1).isfinite())

    def _attend_some(self, tokens: torch.Tensor) -> None:
        attended = attend_with_lse(
            self.query.index_select(0, tokens), self.key, self.value, self._heads)
        self.mixed.index_copy_(0, tokens, attended.mixed)
        self.log_sum.index_copy_(0, tokens, attended.log_sum)


@lru_cache(maxsize=32)
def _kernel_for(device: str, dtype: torch.dtype, head_dim: int) -> _Kernel:
    """Return the first kernel that runs; those of PyTorch are private and may be missing."""
    probe = torch.zeros(1, 1, 2, head_dim, dtype=dtype, device=device)
    fused = (_flash_cpu,) if device == 'cpu' else (_flash_cuda, _efficient_cuda)
    for kernel in fused:
        try:
            _, log_sum = kernel(probe, probe, probe)
        except (AttributeError, IndexError, NotImplementedError, RuntimeError, TypeError):
            continue
        if log_sum.shape == probe.shape[:3]:
            return kernel
    return _plain


def _flash_cpu(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    result = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(query, key, value)
    return result[0], result[1]


def _flash_cuda(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    result = torch.ops.aten._scaled_dot_product_flash_attention(query, key, value)
    return result[0], result[1]


def _efficient_cuda(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    result = torch.ops.aten._scaled_dot_product_efficient_attention(
        query, key, value, None, True)
    return result[0], result[1][..., :query.shape[2]]  # padded to a multiple of 32 queries


def _plain(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    kind = torch.promote_types(query.dtype, torch.float32)
    scores = query.to(kind) @ key.to(kind).transpose(2, 3) / math.sqrt(query.shape[3])
    log_sum = scores.logsumexp(dim=3)
    return (scores - log_sum[..., None]).exp_() @ value.to(kind), log_sum
