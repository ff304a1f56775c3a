"""A transformer block prepared for lists of tokens, and what every incremental block can do."""

from dataclasses import dataclass
from functools import cached_property, partial
from operator import mul
from typing import Any, Protocol, Sequence

import torch
from torch.nn import functional

from mtshare_ros.model.backbone import Block
from mtshare_ros.sharing.active_tokens import ActiveTokens
from mtshare_ros.sharing.attention import attend
from mtshare_ros.sharing.gates import BlockThresholds, delta_share, spread_of
from mtshare_ros.sharing.linear import GroupedLinear, MOST_APPENDED, widened
from mtshare_ros.sharing.memory import AUTO


class GroupedNorm:
    """Layer norm of several encoders whose scales and shifts may differ."""

    def __init__(self, norms: Sequence[torch.nn.LayerNorm]) -> None:
        base = norms[0]
        self.norms = tuple(norms)
        self._equal = all(torch.equal(norm.weight, base.weight)
                          and torch.equal(norm.bias, base.bias) for norm in norms)

    def __call__(self, rows: torch.Tensor, counts: Sequence[int]) -> torch.Tensor:
        """Return (n, D) for tokens (n, D): ``counts`` of each encoder in turn, then spare rows."""
        if self._equal:
            return _norm(self.norms[0], rows)
        *parts, spare = rows.split([*counts, rows.shape[0] - sum(counts)])
        return torch.cat([*map(_norm, self.norms, parts), spare])


class BlockWeights:
    """
    The weights of one block for all encoders, prepared for lists of tokens.

    ``delta_share`` (M,) is the size of each encoder's delta weights, see ``gates.delta_share``.
    """

    def __init__(
        self, blocks: Sequence[Block], dtype: torch.dtype, layout: str = AUTO,
        most_appended: float = MOST_APPENDED,
    ) -> None:
        attention = [block.attn for block in blocks]
        mlp = [block.mlp for block in blocks]
        self.heads = attention[0].num_heads
        self.dtype = dtype
        self.norm1 = GroupedNorm([block.norm1 for block in blocks])
        self.norm2 = GroupedNorm([block.norm2 for block in blocks])
        grouped = partial(
            GroupedLinear, dtype=dtype, layout=layout, most_appended=most_appended)
        self.qkv = grouped([item.qkv for item in attention])
        self.proj = grouped([item.proj for item in attention])
        self.fc1 = grouped([item.fc1 for item in mlp], activation='gelu')
        self.fc2 = grouped([item.fc2 for item in mlp])
        self.delta_share = torch.stack([
            delta_share(block, blocks[0]).detach() for block in blocks])

    @property
    def encoders(self) -> int:
        """The number of encoders whose tokens the block computes."""
        return len(self.norm1.norms)

    @property
    def width(self) -> int:
        """D, the length of a token vector."""
        return self.proj.features

    def project(self, values: torch.Tensor, active: ActiveTokens) -> torch.Tensor:
        """Return queries, keys and values (n, 3D) side by side, rotary positions applied."""
        values = widened(values, self.qkv.spare(active.total))
        qkv = self.qkv(self.norm1(values, active.counts), active.counts)[:active.total]
        rotation = active.rotation
        if rotation is not None:
            rotation.rotate_(qkv[:, :2 * self.width].unflatten(1, (2 * self.heads, -1)))
        return qkv

    def finish(
        self, values: torch.Tensor, mixed: torch.Tensor, counts: Sequence[int]
    ) -> torch.Tensor:
        """Return the block's residual update (n, D) float32 for the attention's output (n, D)."""
        attended = self.proj(mixed, counts)
        # in half precision the sum of the two would be rounded a second time
        return attended.float() + self.mlp(values + attended, counts)

    def mlp(self, rows: torch.Tensor, counts: Sequence[int]) -> torch.Tensor:
        """Return the MLP's update (n, D) of tokens (n, D)."""
        total = rows.shape[0]
        rows = widened(rows, self.fc1.spare(total))
        hidden = self.fc1(self.norm2(rows, counts), counts)
        return self.fc2(hidden, counts)[:total]

    def macs(self, counts: Sequence[int], token_count: int) -> int:
        """Return the multiply-accumulates of tokens that attend to ``token_count`` tokens each."""
        linear = sum(map(mul, counts, self._linear_macs))
        return linear + sum(counts) * 2 * token_count * self.width

    @cached_property
    def _linear_macs(self) -> tuple[int, ...]:
        """Multiply-accumulates of a token of each encoder in the linear layers."""
        return tuple(map(sum, zip(*(layer.macs_per_row for layer in self._layers()))))

    def plain_macs(self, rows: int, token_count: int) -> int:
        """Return the multiply-accumulates of one encoder's tokens without appended features."""
        return rows * (self._plain_linear_macs + 2 * token_count * self.width)

    @cached_property
    def _plain_linear_macs(self) -> int:
        return sum(layer.plain_macs_per_row for layer in self._layers())

    def _layers(self) -> tuple[GroupedLinear, ...]:
        return self.qkv, self.proj, self.fc1, self.fc2


@dataclass(frozen=True)
class BlockUpdate:
    """
    What a block did with the active tokens.

    ``active`` go on to the next block with their ``values`` (n, D) float32; ``computed`` counts
    those of each encoder that were computed; ``reused`` (m,) are the tokens that were reused from
    the base task, None where there are none.
    """

    active: ActiveTokens
    values: torch.Tensor
    computed: tuple[int, ...]
    reused: torch.Tensor | None = None


class IncrementalBlock(Protocol):
    """
    A transformer block that computes some tokens and keeps the rest.

    Blocks hold weights; what they remember of a camera is made by ``allocate`` and passed in.
    """

    weights: BlockWeights

    def allocate(self, token_count: int, device: torch.device) -> Any:
        """Return empty buffers; ``dense`` must run before ``update``."""

    def dense(self, state: Any, active: ActiveTokens, values: torch.Tensor) -> torch.Tensor:
        """Compute and remember every token (n, D) of the encoders that are active."""

    def update(
        self, state: Any, active: ActiveTokens, values: torch.Tensor, thresholds: BlockThresholds
    ) -> BlockUpdate:
        """Compute the tokens (n, D) that differ by more than the thresholds."""


def _norm(norm: torch.nn.LayerNorm, rows: torch.Tensor) -> torch.Tensor:
    return functional.layer_norm(rows, norm.normalized_shape, norm.weight, norm.bias, norm.eps)


def measure_spread(scale: torch.Tensor, active: ActiveTokens, values: torch.Tensor) -> None:
    """Write to ``scale`` (M,) the spread of the patches of each active encoder."""
    start = 0
    for encoder, (count, patches) in enumerate(zip(active.counts, active.patch_counts)):
        if count:
            scale[encoder] = spread_of(values[start:start + patches])
            start += count


class AloneBlock:
    """Block of single images: computes every token and remembers nothing."""

    def __init__(self, weights: BlockWeights) -> None:
        self.weights = weights

    def allocate(self, token_count: int, device: torch.device) -> None:
        """Return no buffers, since nothing is remembered."""

    def dense(self, state: None, active: ActiveTokens, values: torch.Tensor) -> torch.Tensor:
        """Compute every token (n, D) of the encoders that have tokens."""
        counts = [count for count in active.counts if count]
        encoders = self.weights.project(values, active).split(counts)
        mixed = torch.cat([self._attend(*qkv.chunk(3, dim=1)) for qkv in encoders])
        return values + self.weights.finish(values, mixed, active.counts)

    def _attend(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor
    ) -> torch.Tensor:
        return attend(query, key, value, self.weights.heads)

    def update(
        self, state: None, active: ActiveTokens, values: torch.Tensor, thresholds: BlockThresholds
    ) -> BlockUpdate:
        """Raise RuntimeError: without memory only whole frames can be computed."""
        raise RuntimeError('a block without memory can only compute whole frames')
