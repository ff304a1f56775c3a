"""Lists of the true entries of masks, of fixed lengths and without asking what is in them."""

from dataclasses import dataclass
from typing import Mapping

import torch

from mtshare_ros.sharing.head_plan import HeadGeometry


@dataclass(frozen=True)
class HeadLists:
    """
    What heads of one geometry compute, int64.

    ``layers`` are the pixels (p,) of each convolution, ``reached`` (r,) the cells whose enlarged
    output may differ.
    """

    layers: tuple[torch.Tensor, ...]
    reached: torch.Tensor


@dataclass(frozen=True)
class FrameLists:
    """
    The rows of one frame, int64, each list filled up by repeating its last entry.

    ``patches`` (n,) are transmitted, ``cells`` (n,) enter the network; ``forced`` (n,) bool marks
    those of them that must be computed whatever their change.
    """

    patches: torch.Tensor
    cells: torch.Tensor
    forced: torch.Tensor
    heads: Mapping[HeadGeometry, HeadLists]


def listed(mask: torch.Tensor, size: int) -> torch.Tensor:
    """
    Return the first ``size`` true entries of a mask (N,), in order, (size,) int64.

    Where it has fewer, the last one is repeated; where it has none, the list is of entry 0.
    """
    running = mask.cumsum(0)
    ranks = torch.arange(1, size + 1, device=mask.device)
    return torch.searchsorted(running, torch.minimum(ranks, running[-1]))

