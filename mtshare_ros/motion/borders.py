"""Where what is computed passes into what is carried along, so that no step shows between them."""

import torch
import torch.nn.functional as F

REACH = 6
"""Pixels from the border of what is computed within which it passes into what lies beside it."""


def border_share(where: torch.Tensor) -> torch.Tensor:
    """
    Return how much (H, W), 0 to 1, carried values count where (H, W) bool new ones are computed.

    It is 1 at a straight border and falls to 0 within ``REACH`` pixels.
    """
    inside = where[::2, ::2].float()[None, None]  # smooth enough at half the size
    for sides in ((REACH - 1, 1), (1, REACH - 1)):
        padding = sides[0] // 2, sides[1] // 2
        inside = F.avg_pool2d(inside, sides, 1, padding, count_include_pad=False)
    large = F.interpolate(inside, size=where.shape, mode='bilinear', align_corners=False)
    return large[0, 0].mul_(-2).add_(2).clamp_(0, 1)
