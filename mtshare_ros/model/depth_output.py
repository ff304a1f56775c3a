"""What a depth head makes of its last layer: metres, or a disparity without a scale."""

import torch
from torch.nn import functional

from mtshare_ros.model.head_config import HeadConfig

BINS_FLOOR = 0.1
"""
Added to every bin before the shares are taken, as in DINOv2's depth heads.

Heads with another floor fit too: scale their last layer, since shares do not change where layer
and floor are scaled together.
"""


def finish_depth(raw: torch.Tensor, config: HeadConfig) -> torch.Tensor:
    """
    Return the raw output (B, 1, h, w) of a depth head for its last layer (B, C, h, w).

    With bins it is the expectation over them, else metres come from a sigmoid times the farthest
    depth, and a disparity is what is positive. Other encodings stay as they are.
    """
    if config.bins:
        return _expectation(raw, config)
    if config.encoding == 'metres':
        return raw.sigmoid() * config.depth_range[1]
    return functional.relu(raw) if config.encoding == 'disparity' else raw


def _expectation(logits: torch.Tensor, config: HeadConfig) -> torch.Tensor:
    near, far = config.depth_range
    centres = torch.linspace(near, far, config.bins, device=logits.device, dtype=logits.dtype)
    shares = functional.relu(logits) + BINS_FLOOR
    weighted = torch.einsum('bkhw,k->bhw', shares, centres)
    return (weighted / shares.sum(dim=1))[:, None]
