"""
Depth without soft steps, for moving pixels.

A network's depth is soft where one thing ends before another: pixels there lie in the air
between both, and fly off as specks when near and far move apart. They are moved with whichever
side they are nearer to.
"""

from typing import Any

import torch

_REACH = 2
"""Pixels to either side over which a step may spread."""

_STEP = 1.2
"""Ratio of the farthest to the nearest depth about a pixel that makes a step."""


def sharpen(depth: torch.Tensor) -> torch.Tensor:
    """Return depth (H, W) whose pixels at steps lie on one of the two sides."""
    near, far = depth, depth
    for _ in range(_REACH):
        near, far = _extremes(near, torch.minimum), _extremes(far, torch.maximum)
    side = torch.where(depth.square() < near * far, near, far)
    return torch.where(far > near * _STEP, side, depth)


def _extremes(values: torch.Tensor, choose: Any) -> torch.Tensor:
    """Return the least or greatest of the 3 x 3 values about each of (H, W)."""
    across = values.clone()
    choose(across[:, 1:], values[:, :-1], out=across[:, 1:])
    choose(across[:, :-1], values[:, 1:], out=across[:, :-1])
    found = across.clone()
    choose(found[1:], across[:-1], out=found[1:])
    choose(found[:-1], across[1:], out=found[:-1])
    return found
