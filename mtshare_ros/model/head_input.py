"""What a decode head is given."""

from dataclasses import dataclass

import torch

from mtshare_ros.model.stem import StemFeatures


@dataclass(frozen=True)
class HeadInput:
    """
    The tokens a head reads, and the stem's features.

    ``taps`` are the cells' tokens (B, D, rows, columns) after each block that the head taps,
    ``prefix`` the class and register tokens (B, P, D) there.
    """

    taps: tuple[torch.Tensor, ...]
    prefix: tuple[torch.Tensor, ...]
    stem: StemFeatures
