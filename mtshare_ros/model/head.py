"""The local decode head: every task has its own copy."""

import torch
from torch import nn
from torch.nn import functional

from mtshare_ros.model.architecture import ArchitectureConfig
from mtshare_ros.model.convolution import conv_norm_act
from mtshare_ros.model.head_config import HeadConfig
from mtshare_ros.model.head_input import HeadInput

OUTPUT_STRIDE = 4
"""Input pixels per pixel of a raw output, in a head of 4 pixels a side on patches of 16."""


class DecodeHead(nn.Module):
    """
    Tokens and stem features to one task's raw output, 4x4 pixels for each cell.

    Every level is projected and rearranged to these pixels (pixel shuffle), summed, and refined by
    3x3 convolutions: all of it local, so an unchanged neighbourhood keeps its output.
    """

    def __init__(self, config: ArchitectureConfig, head: HeadConfig, outputs: int) -> None:
        super().__init__()
        self.side = config.side_of(head)
        width, tokens = head.channels, config.embed_dim * max(1, len(head.taps))
        if head.hidden:
            self.mix = nn.Conv2d(tokens, head.hidden, 1)
        self.from_tokens = nn.Conv2d(head.hidden or tokens, width * self.side ** 2, 1)
        if config.stem == 'conv':
            _, quarter, eighth = config.stem_channels
            self.from_eighth = nn.Conv2d(eighth, width * 4, 1, bias=False)
            self.from_quarter = nn.Conv2d(quarter, width, 1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.refine = nn.Sequential(*(conv_norm_act(width, width) for _ in range(head.depth)))
        self.predict = nn.Conv2d(width, outputs, 1)

    def forward(self, given: HeadInput) -> torch.Tensor:
        """Return (B, outputs, rows x side, columns x side)."""
        tokens = given.taps[0] if len(given.taps) == 1 else torch.cat(given.taps, dim=1)
        if hasattr(self, 'mix'):
            tokens = functional.gelu(self.mix(tokens))
        merged = functional.pixel_shuffle(self.from_tokens(tokens), self.side)
        if given.stem.eighth is not None:
            merged = merged + functional.pixel_shuffle(self.from_eighth(given.stem.eighth), 2)
        if given.stem.quarter is not None:
            merged = merged + self.from_quarter(given.stem.quarter)
        return self.predict(self.refine(functional.relu(self.norm(merged))))
