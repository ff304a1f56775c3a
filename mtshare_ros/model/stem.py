"""From the normalised image to tokens, with fine features for the heads."""

from dataclasses import dataclass

import torch
from torch import nn

from mtshare_ros.model.architecture import ArchitectureConfig
from mtshare_ros.model.convolution import conv_norm_act


@dataclass(frozen=True)
class StemFeatures:
    """Tokens (B, D, rows, columns) and, from a convolutional stem, finer ones for the heads."""

    tokens: torch.Tensor
    eighth: torch.Tensor | None = None
    """(B, C, H/8, W/8)"""
    quarter: torch.Tensor | None = None
    """(B, C, H/4, W/4)"""


class ConvStem(nn.Module):
    """Four 3x3 convolutions of stride 2: a token sees 31x31 pixels, its own 16x16 among them."""

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
