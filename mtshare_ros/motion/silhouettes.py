"""
Depth without soft steps, for moving pixels.

A network's depth is soft where one thing ends before another: pixels there lie in the air
between both, and fly off as specks when near and far move apart. They are moved with whichever
side they are nearer to.
"""

from typing import Callable

import torch
import torch.nn.functional as F

_REACH = 2
"""Pixels to either side over which a step may spread."""

_STEP = 1.2
"""Ratio of the farthest to the nearest depth about a pixel that makes a step."""

Choose = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def sharpen(depth: torch.Tensor) -> torch.Tensor:
    """Return depth (H, W) whose pixels at steps lie on one of the two sides."""
    wide = F.pad(depth[None, None], (_REACH,) * 4, mode='replicate')[0, 0]
    near, far = _extreme(wide, torch.minimum), _extreme(wide, torch.maximum)
    side = torch.where(depth.square() < near * far, near, far)
    return torch.where(far > near * _STEP, side, depth)


def _extreme(values: torch.Tensor, choose: Choose) -> torch.Tensor:
    """Return the least or greatest of the 5 x 5 values in the middle of which each pixel lies."""
    for axis in (1, 0):
        length = values.shape[axis]
        two = choose(values.narrow(axis, 0, length - 1), values.narrow(axis, 1, length - 1))
        four = choose(two.narrow(axis, 0, length - 3), two.narrow(axis, 2, length - 3))
        values = choose(four.narrow(axis, 0, length - 4), values.narrow(axis, 4, length - 4))
    return values
