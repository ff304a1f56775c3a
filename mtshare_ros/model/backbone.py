"""The layers of the backbone: normalisation, stem, positions and transformer blocks."""

from dataclasses import dataclass
from functools import lru_cache
import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from mtshare_ros.model.architecture import ArchitectureConfig, IMAGE_MEAN, IMAGE_STD

ROPE_BASE = 100.0
"""Longest wavelength / shortest: enough for grids of some hundred patches a side."""


class Normalize(nn.Module):
    """Bring 8-bit RGB (B, 3, H, W), any dtype, to zero mean and unit variance."""

    def __init__(self, mean: tuple[float, ...] = IMAGE_MEAN, std: tuple[float, ...] = IMAGE_STD
                 ) -> None:
        super().__init__()
        self.register_buffer('mean', torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer('std', torch.tensor(std).view(3, 1, 1), persistent=False)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return (B, 3, H, W) float32."""
        return (image.float() - self.mean) / self.std


def to_tensor(image: np.ndarray, device: torch.device) -> torch.Tensor:
    """Return an (H, W, 3) uint8 image as a (1, 3, H, W) uint8 tensor on the device."""
    # Images of messages and files are often read-only, and torch.from_numpy warns about them.
    writable = np.require(image, requirements=('C', 'W'))
    return torch.from_numpy(writable).to(device).permute(2, 0, 1)[None]


def conv_norm_act(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """
    Return a 3x3 convolution with batch norm and ReLU.

    Batch norm, because in evaluation it is a constant per channel: a pixel depends on its 3x3
    neighbourhood alone. With a norm over the whole image every pixel would depend on all others,
    and no part of the output could be kept where the image did not change.
    """
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


@dataclass(frozen=True)
class StemFeatures:
    """Tokens (B, D, rows, columns) and, from a convolutional stem, finer features for heads."""

    tokens: torch.Tensor
    eighth: torch.Tensor | None = None
    """(B, C, H/8, W/8)"""
    quarter: torch.Tensor | None = None
    """(B, C, H/4, W/4)"""


class ConvStem(nn.Module):
    """Four 3x3 convolutions of stride 2; a token depends on 31x31 pixels around its patch."""

    def __init__(self, channels: tuple[int, ...], embed_dim: int) -> None:
        super().__init__()
        half, quarter, eighth = channels
        self.to_half = conv_norm_act(3, half, stride=2)
        self.to_quarter = conv_norm_act(half, quarter, stride=2)
        self.to_eighth = conv_norm_act(quarter, eighth, stride=2)
        self.proj = nn.Conv2d(eighth, embed_dim, 3, 2, 1)

    def forward(self, image: torch.Tensor) -> StemFeatures:
        """Return the features of a normalised (B, 3, H, W) image."""
        quarter = self.to_quarter(self.to_half(image))
        eighth = self.to_eighth(quarter)
        return StemFeatures(self.proj(eighth), eighth, quarter)


class PatchStem(nn.Module):
    """One linear projection of each patch, as in the original ViT."""

    def __init__(self, embed_dim: int, patch_size: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, embed_dim, patch_size, patch_size)

    def forward(self, image: torch.Tensor) -> StemFeatures:
        """Return the features of a normalised (B, 3, H, W) image."""
        return StemFeatures(self.proj(image))


def build_stem(config: ArchitectureConfig) -> ConvStem | PatchStem:
    """Return the stem the configuration names."""
    if config.stem == 'conv':
        return ConvStem(config.stem_channels, config.embed_dim)
    return PatchStem(config.embed_dim, config.patch_size)


@dataclass(frozen=True)
class RotaryTable:
    """
    Rotations of tokens: cosines and sines, (N + P, head_dim) each, patches in raster order.

    The first half of a head is rotated by the row, the second by the column, so attention depends
    only on differences of positions: a shifted image gives shifted activations. The P prefix
    tokens, which follow the patches, are not rotated.
    """

    cosine: torch.Tensor
    sine: torch.Tensor

    def rotate(self, heads: torch.Tensor) -> torch.Tensor:
        """Rotate queries or keys (B, num_heads, N, head_dim)."""
        quarter = heads.shape[-1] // 4
        row_a, row_b, column_a, column_b = heads.split(quarter, dim=-1)
        turned = torch.cat((-row_b, row_a, -column_b, column_a), dim=-1)
        return heads * self.cosine.to(heads.dtype) + turned * self.sine.to(heads.dtype)


@lru_cache(maxsize=16)
def rotary_table(
    rows: int, columns: int, head_dim: int, device: torch.device, *,
    centred: bool = False, prefix_tokens: int = 0,
) -> RotaryTable:
    """
    Return the rotations of a grid's patches and of the prefix tokens after them.

    The angles of a patch are its row and column or, with ``centred``, 2 pi times the position of
    its centre, which is -1 to 1 on either axis; both times every frequency. Results are cached.
    """
    # training may get a table from the cache; one made in inference mode could not be used there
    with torch.inference_mode(False):
        row, column = (_turns(torch.arange(count), count, centred) for count in (rows, columns))
        row, column = torch.meshgrid(row, column, indexing='ij')
        angles = _angles(row.flatten(), column.flatten(), head_dim)
        angles = functional.pad(angles, (0, 0, 0, prefix_tokens))
        return RotaryTable(angles.cos().to(device), angles.sin().to(device))


def rotary_beyond(
    grid: tuple[int, int], patches: torch.Tensor, view: tuple[int, int], head_dim: int, *,
    centred: bool = False, prefix_tokens: int = 0,
) -> RotaryTable:
    """
    Return the rotations, in float32, of patches of a grid that is continued beyond its border.

    ``patches`` (n, 2) are their rows and columns, any whole numbers. ``view`` is the row and
    column of the first patch of a window of the grid's size. The prefix tokens are rotated by the
    angle from the grid's first patch to the window's, so that relative to the window's patches
    they are rotated as in ``rotary_table``.
    """
    starts = torch.tensor([(0, 0), view], device=patches.device)
    places = torch.cat((patches, starts)).double()
    row, column = (_turns(places[:, axis], grid[axis], centred) for axis in (0, 1))
    angles = _angles(row, column, head_dim)
    patch, (first, moved) = angles[:-2], angles[-2:]
    angles = torch.cat((patch, (moved - first).expand(prefix_tokens, -1)))
    return RotaryTable(angles.cos().float(), angles.sin().float())


def _turns(patches: torch.Tensor, count: int, centred: bool) -> torch.Tensor:
    """Return the angles of rows or columns at frequency 1; the grid has ``count`` of them."""
    return 2 * math.pi * (2 * (patches + 0.5) / count - 1) if centred else patches


def _angles(row: torch.Tensor, column: torch.Tensor, head_dim: int) -> torch.Tensor:
    """Return the angles (n, head_dim) of tokens from those of their rows and columns (n,)."""
    frequencies = ROPE_BASE ** -(torch.arange(head_dim // 4) / (head_dim // 4))
    frequencies = frequencies.to(row.device)
    row_angle, column_angle = row[:, None] * frequencies, column[:, None] * frequencies
    return torch.cat((row_angle, row_angle, column_angle, column_angle), dim=-1)


class AbsolutePosition(nn.Module):
    """
    A learnt vector per token of a (rows, columns) grid, interpolated for other grids.

    ``interpolation`` is one of ``architecture.INTERPOLATIONS``. It has to be that of the authors
    of the weights: with another one, features differ by a percent.
    """

    def __init__(
        self, grid: tuple[int, int], embed_dim: int, interpolation: str = 'bicubic'
    ) -> None:
        super().__init__()
        self.grid = grid
        self.table = nn.Parameter(torch.zeros(1, grid[0] * grid[1], embed_dim))
        nn.init.trunc_normal_(self.table, std=0.02)
        self._mode, _, self._variant = interpolation.partition('_')

    def forward(self, grid: tuple[int, int]) -> torch.Tensor:
        """Return (1, N, embed_dim) for a grid of N patches."""
        if grid == self.grid:
            return self.table
        planes = self.table.unflatten(1, self.grid).permute(0, 3, 1, 2)
        return self._resized(planes, grid).flatten(2).transpose(1, 2)

    def _resized(self, planes: torch.Tensor, grid: tuple[int, int]) -> torch.Tensor:
        if self._variant == 'offset':
            # given factors, torch samples at slightly other places than given the size
            factors = [(size + 0.1) / own for size, own in zip(grid, self.grid)]
            return functional.interpolate(planes, scale_factor=factors, mode=self._mode)
        return functional.interpolate(planes, grid, mode=self._mode, align_corners=False,
                                      antialias=self._variant == 'antialias')


class PrefixTokens(nn.Module):
    """The class and register tokens (P, embed_dim), which follow the patches in the sequence."""

    def __init__(self, count: int, embed_dim: int) -> None:
        super().__init__()
        self.tokens = nn.Parameter(torch.zeros(count, embed_dim))
        nn.init.trunc_normal_(self.tokens, std=0.02)

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        """Return (B, N + P, D) for patches (B, N, D)."""
        return torch.cat((patches, self.tokens.expand(patches.shape[0], -1, -1)), dim=1)


class Attention(nn.Module):
    """Multi-head self-attention over all tokens of an image."""

    def __init__(self, embed_dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(embed_dim, 3 * embed_dim)
        self.proj = nn.Linear(embed_dim, embed_dim)

    def forward(self, tokens: torch.Tensor, rotary: RotaryTable | None) -> torch.Tensor:
        """Return (B, N, D) for (B, N, D)."""
        return self.attend(*self.project(tokens, rotary))

    def project(
        self, tokens: torch.Tensor, rotary: RotaryTable | None
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return queries, keys and values (B, heads, N, head_dim), rotated by their positions."""
        batch, count, _ = tokens.shape
        qkv = self.qkv(tokens).view(batch, count, 3, self.num_heads, -1)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        if rotary is not None:
            query, key = rotary.rotate(query), rotary.rotate(key)
        return query, key, value

    def attend(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor
    ) -> torch.Tensor:
        """Return (B, N, D): the projected attention of every query over all keys and values."""
        mixed = functional.scaled_dot_product_attention(query, key, value)
        return self.proj(mixed.transpose(1, 2).flatten(2))


class Mlp(nn.Module):
    """Two linear layers with a GELU between them."""

    def __init__(self, embed_dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(embed_dim, hidden_dim)
        self.fc2 = nn.Linear(hidden_dim, embed_dim)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return (B, N, D) for (B, N, D)."""
        return self.fc2(functional.gelu(self.fc1(tokens)))


class Block(nn.Module):
    """One pre-norm transformer block."""

    def __init__(
        self, embed_dim: int, num_heads: int, mlp_ratio: float, norm_eps: float = 1e-6
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(embed_dim, eps=norm_eps)
        self.attn = Attention(embed_dim, num_heads)
        self.norm2 = nn.LayerNorm(embed_dim, eps=norm_eps)
        self.mlp = Mlp(embed_dim, round(embed_dim * mlp_ratio))

    def forward(self, tokens: torch.Tensor, rotary: RotaryTable | None) -> torch.Tensor:
        """Return (B, N, D) for (B, N, D)."""
        tokens = tokens + self.attn(self.norm1(tokens), rotary)
        return tokens + self.mlp(self.norm2(tokens))
