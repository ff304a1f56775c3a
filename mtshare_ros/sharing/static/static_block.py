"""Transformer blocks of one or several encoders on lists of tokens of a fixed length."""

import copy
from dataclasses import dataclass
from typing import Any, Protocol, Sequence

import torch
from torch import nn
from torch.nn import functional

from mtshare_ros.model.backbone import Block
from mtshare_ros.model.network import MultiTaskNetwork
from mtshare_ros.sharing.static.operators import Operators, PLAIN
from mtshare_ros.sharing.static.plain_steps import Norm
from mtshare_ros.sharing.taps import Tap, taps_of


@dataclass(frozen=True)
class Rows:
    """
    The tokens of a frame, the same for all encoders.

    ``index`` (n,) int64 are their numbers; ``rotation`` (n, 2, head_dim) are cosines and signed
    sines of their positions, None without rotary positions.
    """

    index: torch.Tensor
    rotation: torch.Tensor | None

    def store(self, buffer: torch.Tensor, values: torch.Tensor) -> None:
        """Write values (1 or M, n, D) of the tokens to a buffer (M, T, D)."""
        buffer.index_copy_(1, self.index, values.expand(buffer.shape[0], -1, -1))

    def store_normed(
        self, operators: Operators, buffer: torch.Tensor, values: torch.Tensor, norm: Norm
    ) -> None:
        """Write the norm of values (1 or M, n, D) float32 as ``store`` writes values."""
        operators.norm_store(values, norm, buffer, self.index)


class EncoderLinear:
    """
    The same linear layer of M encoders, computed as one product.

    With several encoders ``bias`` (M, 1, out) is left to the operator that follows, because a
    batched product would first write it to every row. With one encoder it is part of the product,
    and None.
    """

    def __init__(self, layers: Sequence[nn.Linear], dtype: torch.dtype) -> None:
        self._single = len(layers) == 1
        weights, biases = ([value.detach().to(dtype) for value in values] for values in (
            [layer.weight for layer in layers], [layer.bias for layer in layers]))
        if self._single:
            self._matrix, self._own_bias = weights[0].t(), biases[0]
        else:
            self._matrix = torch.stack(weights).transpose(1, 2)
        self.bias = None if self._single else torch.stack(biases)[:, None]
        self.macs_per_row = sum(layer.weight.numel() for layer in layers)

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        """Return (M, n, out) for rows (M, n, in), or (1, n, in) that all encoders share."""
        if self._single:
            return torch.addmm(self._own_bias, rows[0], self._matrix)[None]
        return torch.bmm(rows.expand(self._matrix.shape[0], -1, -1), self._matrix)

    def last(self, encoders: int) -> 'EncoderLinear':
        """Return the layer of the last of two or more encoders; it shares the weights."""
        other = copy.copy(self)
        other._matrix = self._matrix[-encoders:]
        other.bias = None if self.bias is None else self.bias[-encoders:]
        other.macs_per_row = self.macs_per_row // self._matrix.shape[0] * encoders
        return other


class StaticBlock:
    """
    One transformer block, its weights stacked over M encoders; products are in ``dtype``.

    Its cache holds the keys and values of all tokens of a camera, (M, T, 2D), keys first and
    rotated by their positions.
    """

    def __init__(
        self, blocks: Sequence[Block], dtype: torch.dtype, operators: Operators = PLAIN
    ) -> None:
        attention, mlp = [block.attn for block in blocks], [block.mlp for block in blocks]
        self.encoders, self.dtype, self.operators = len(blocks), dtype, operators
        self.heads, self._width = attention[0].num_heads, attention[0].proj.out_features
        self.norm = Norm.of([block.norm1 for block in blocks])
        self._norm2 = Norm.of([block.norm2 for block in blocks])
        self.qkv = EncoderLinear([item.qkv for item in attention], dtype)
        self._proj = EncoderLinear([item.proj for item in attention], dtype)
        self._fc1 = EncoderLinear([item.fc1 for item in mlp], dtype)
        self._fc2 = EncoderLinear([item.fc2 for item in mlp], dtype)

    def last(self, encoders: int) -> 'StaticBlock':
        """Return the block of the last of two or more encoders; it shares the weights."""
        other = copy.copy(self)
        other.encoders = encoders
        other.norm, other._norm2 = self.norm.last(encoders), self._norm2.last(encoders)
        other.qkv, other._proj = self.qkv.last(encoders), self._proj.last(encoders)
        other._fc1, other._fc2 = self._fc1.last(encoders), self._fc2.last(encoders)
        return other

    def macs(self, rows: int, token_count: int) -> int:
        """Return the multiply-accumulates of so many tokens of each encoder that attend to T."""
        layers = (self.qkv, self._proj, self._fc1, self._fc2)
        attention = self.encoders * 2 * token_count * self._width
        return rows * (sum(layer.macs_per_row for layer in layers) + attention)

    def __call__(
        self, cache: torch.Tensor, rows: Rows, values: torch.Tensor, normed: torch.Tensor,
        following: Norm,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """
        Return the output (M, n, D) float32, and its norm by the ``following`` layer.

        ``values`` (1 or M, n, D) float32 is the input and ``normed`` its norm by ``norm``, in the
        dtype of the products. Keys and values of the tokens are written to the cache.
        """
        query = self.operators.rotate_and_store(
            self.qkv(normed), self.qkv.bias, rows.rotation, cache, rows.index, self.heads)
        return self.finish(values, attend(query, cache, self.heads), following)

    def finish(
        self, values: torch.Tensor, mixed: torch.Tensor, following: Norm
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return output and norm as a call does, given the output of the attention (M, n, D)."""
        operators = self.operators
        values, normed = operators.residual_norm(
            values, self._proj(mixed), self._proj.bias, self._norm2, self.dtype)
        hidden = operators.bias_gelu(self._fc1(normed), self._fc1.bias)
        return operators.residual_norm(
            values, self._fc2(hidden), self._fc2.bias, following, self.dtype)


def attend(query: torch.Tensor, cache: torch.Tensor, heads: int) -> torch.Tensor:
    """Return the attention of queries (M, n, D) to all keys and values (M, T, 2D): (M, n, D)."""
    key, value = cache.chunk(2, dim=-1)
    mixed = functional.scaled_dot_product_attention(
        *(rows.unflatten(-1, (heads, -1)).transpose(1, 2) for rows in (query, key, value)))
    return mixed.transpose(1, 2).flatten(2)


Taps = tuple[Tap, ...]
"""The places where a head reads the transformer, in its order."""


class StaticTaps:
    """
    What the heads of some tasks read of the encoders.

    The taps of a head are side by side in one buffer (M, T, taps x D), or (1, T, taps x D) where
    all encoders have the same. It is in the dtype of the products behind the final norm, else
    float32.
    """

    def __init__(
        self, network: MultiTaskNetwork, tasks: Sequence[str], encoders: Sequence[str],
        dtype: torch.dtype, operators: Operators = PLAIN,
    ) -> None:
        self._config, self._encoders = network.config, len(encoders)
        self._dtype, self._operators = dtype, operators
        self._of = {task: taps_of(network.config, task) for task in tasks}
        self.norms = [network.final_norm(encoder) for encoder in encoders]
        self.norm = Norm.of(self.norms)

    def of(self, task: str) -> Taps:
        """Return the taps of a task's head."""
        return self._of[task]

    def allocate(self, token_count: int, device: torch.device) -> dict[Taps, torch.Tensor]:
        """Return empty buffers for T tokens, by taps."""
        width = self._config.embed_dim
        return {taps: torch.zeros(
            1 if all(map(self._alike, taps)) else self._encoders, token_count, len(taps) * width,
            dtype=self._dtype if taps[0].normed else torch.float32, device=device)
            for taps in self._of.values()}

    def keep(
        self, buffers: dict[Taps, torch.Tensor], block: int, rows: Rows, values: torch.Tensor,
        normed: torch.Tensor, norm: Norm,
    ) -> None:
        """
        Store what heads read of a block's output (1 or M, n, D) float32.

        ``normed`` is its norm by the layer that follows; behind the last block this layer is
        ``norm``, the final one.
        """
        width, outputs = values.shape[-1], {Tap(block, normed=False): values}
        if block == self._config.depth:
            outputs[Tap(block)] = normed
        for taps, buffer in buffers.items():
            for place, tap in enumerate(taps):
                if tap.block != block:
                    continue
                target = buffer[..., place * width:(place + 1) * width]
                if tap in outputs:
                    rows.store(target, outputs[tap])
                else:
                    rows.store_normed(self._operators, target, values, norm)

    def _alike(self, tap: Tap) -> bool:
        return tap.block <= self._config.shared_depth and not (tap.normed and self.norm.differs)


class ListedBlock(Protocol):
    """A transformer block on a list of tokens of a fixed length."""

    def __call__(
        self, cache: torch.Tensor, rows: Any, values: torch.Tensor, normed: torch.Tensor,
        following: Norm,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """See ``StaticBlock``."""

    def macs(self, rows: int, token_count: int) -> int:
        """Return the multiply-accumulates of so many tokens that attend to T."""


@dataclass(frozen=True)
class Stage:
    """
    A sequence of blocks that comes after ``before`` others.

    ``norms`` are the first norm of each block and the norm that follows the last one; ``final`` is
    the last norm of the encoders.
    """

    blocks: Sequence[ListedBlock]
    norms: Sequence[Norm]
    taps: StaticTaps
    final: Norm
    before: int = 0

    def macs(self, rows: int, token_count: int) -> int:
        """Return the multiply-accumulates of so many tokens that attend to T."""
        return sum(block.macs(rows, token_count) for block in self.blocks)

    def run(
        self, caches: Sequence[torch.Tensor], buffers: dict[Taps, torch.Tensor], rows: Rows,
        values: torch.Tensor, normed: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """
        Run tokens (1 or M, n, D) float32 through the blocks, and store what heads read.

        ``normed`` is their norm by the first of ``norms``; returns both behind the last block.
        ``caches`` are those of the blocks.
        """
        for number, (block, cache) in enumerate(zip(self.blocks, caches)):
            values, normed = block(cache, rows, values, normed, self.norms[number + 1])
            self.taps.keep(
                buffers, self.before + number + 1, rows, values, normed, self.final)
        return values, normed
