"""The head that is one matrix: what public backbones are probed with."""

import torch
from torch import nn
from torch.nn import functional

from mtshare_ros.model.architecture import ArchitectureConfig
from mtshare_ros.model.depth_output import finish_depth
from mtshare_ros.model.head_config import HeadConfig
from mtshare_ros.model.head_input import HeadInput


class LinearHead(nn.Module):
    """
    One matrix over the taps of a cell, and over the class tokens of the taps where asked for.

    What the class tokens add is the same for every cell. A cell's output depends on no other cell,
    except where it is enlarged before bins become metres: then on its eight neighbours.
    """

    def __init__(self, config: ArchitectureConfig, head: HeadConfig, outputs: int) -> None:
        super().__init__()
        self.config, self.side = head, config.side_of(head)
        inputs, width = config.embed_dim * max(1, len(head.taps)), head.bins or outputs
        self.from_tokens = nn.Conv2d(inputs, width, 1)
        if head.class_token:
            self.from_class = nn.Linear(inputs, width, bias=False)

    def forward(self, given: HeadInput) -> torch.Tensor:
        """Return (B, outputs, rows x side, columns x side)."""
        logits = self.from_tokens(torch.cat(given.taps, dim=1))
        if self.config.class_token:
            tokens = torch.cat([rows[:, 0] for rows in given.prefix], dim=1)
            logits = logits + self.from_class(tokens)[:, :, None, None]
        if self.side > 1:
            # the same as enlarging what the matrix is applied to, at a fraction of the cost
            logits = functional.interpolate(
                logits, scale_factor=self.side, mode='bilinear', align_corners=False)
        return finish_depth(logits, self.config)
