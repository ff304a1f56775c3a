"""The decode head every task has its own copy of."""

import torch
from torch import nn
from torch.nn import functional

from mtshare_ros.model.architecture import ArchitectureConfig
from mtshare_ros.model.convolution import conv_norm_act
from mtshare_ros.model.stem import StemFeatures

OUTPUT_STRIDE = 4
"""Input pixels per pixel of a head's raw output."""


class DecodeHead(nn.Module):
    """
    Tokens and stem features to one task's raw output at 1/4 of the input.

    Every level is projected and rearranged to 1/4 (pixel shuffle), summed, and refined by 3x3
    convolutions: all of it local, so an unchanged neighbourhood keeps its output.
    """

    def __init__(self, config: ArchitectureConfig, outputs: int) -> None:
        super().__init__()
        width = config.head_channels
        self.from_tokens = nn.Conv2d(config.embed_dim, width * 16, 1)
        if config.stem == 'conv':
            _, quarter, eighth = config.stem_channels
            self.from_eighth = nn.Conv2d(eighth, width * 4, 1, bias=False)
            self.from_quarter = nn.Conv2d(quarter, width, 1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.refine = nn.Sequential(*(conv_norm_act(width, width)
                                      for _ in range(config.head_depth)))
        self.predict = nn.Conv2d(width, outputs, 1)

    def forward(self, tokens: torch.Tensor, features: StemFeatures) -> torch.Tensor:
        """Return (B, outputs, H/4, W/4) for encoded tokens (B, D, H/16, W/16)."""
        merged = functional.pixel_shuffle(self.from_tokens(tokens), 4)
        if features.eighth is not None:
            merged = merged + functional.pixel_shuffle(self.from_eighth(features.eighth), 2)
        if features.quarter is not None:
            merged = merged + self.from_quarter(features.quarter)
        return self.predict(self.refine(functional.relu(self.norm(merged))))
