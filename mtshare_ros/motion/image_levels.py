"""Two images as gray levels, each half as large as the one before."""

import numpy as np
import torch
from torch.nn import functional as F

SMALLEST_SIDE = 24
"""Images with a side below that are not halved again: too little would be left to align."""

_GRAY = (0.25, 0.5, 0.25)
_BINOMIAL = (0.125, 0.375, 0.375, 0.125)  # keeps a shifted image the shifted small image


def level_count(height: int, width: int) -> int:
    """Return how often images of a size are halved, at least once."""
    count = 1
    while min(height, width) >> (count + 1) >= SMALLEST_SIDE:
        count += 1
    return count


def gray_levels(first: torch.Tensor, second: torch.Tensor, count: int) -> list[np.ndarray]:
    """
    Return both images (H, W, 3) at 1/2, 1/4 ... of their size, the largest first.

    Each level is (2, h, w) float32 in grey levels, in the memory of the CPU.
    """
    weights = torch.tensor(_GRAY, device=first.device)
    gray = torch.stack([image.float() @ weights for image in (first, second)])[:, None]
    taps = torch.tensor(_BINOMIAL, device=first.device)
    kernel = (taps[:, None] * taps)[None, None]
    levels = []
    for _ in range(count):
        even = gray[..., :gray.shape[-2] // 2 * 2, :gray.shape[-1] // 2 * 2]
        gray = F.conv2d(F.pad(even, (1, 1, 1, 1), mode='replicate'), kernel, stride=2)
        levels.append(gray[:, 0].cpu().numpy())
    return levels
