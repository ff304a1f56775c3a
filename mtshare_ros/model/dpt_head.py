"""The head of dense prediction transformers: a pyramid of four taps, fused from coarse to fine."""

from typing import Sequence

import torch
from torch import nn
from torch.nn import functional

from mtshare_ros.model.architecture import ArchitectureConfig, HeadConfig
from mtshare_ros.model.heads import finish_depth, HeadInput

PYRAMID_SIDE = 8
"""Pixels of the fused pyramid along a side of a patch; its finest level has half of them."""


class DptHead(nn.Module):
    """
    Computes a map of ``side`` pixels along a side of a patch from four taps, shallowest first.

    Level k of the pyramid has ``pyramid[k]`` channels at 4, 2, 1 and 1/2 pixels per patch; fused,
    all have ``channels``. With ``class_token`` the class token of every tap is mixed into its
    patches. With ``hidden`` a convolution of that width comes before the last one.
    """

    def __init__(self, config: ArchitectureConfig, head: HeadConfig, outputs: int) -> None:
        super().__init__()
        self.config = head
        width, pyramid, embed_dim = head.channels, head.pyramid, config.embed_dim
        if head.class_token:
            self.readout = nn.ModuleList(Readout(embed_dim) for _ in pyramid)
        self.project = nn.ModuleList(nn.Conv2d(embed_dim, level, 1) for level in pyramid)
        self.resize = nn.ModuleList(_resizing(pyramid))
        self.lateral = nn.ModuleList(
            nn.Conv2d(level, width, 3, padding=1, bias=False) for level in pyramid)
        self.fuse = nn.ModuleList(Fusion(width, first=number == 0) for number in range(4))
        self.out = Output(width, head.hidden, head.bins or outputs, config.side_of(head))

    def forward(self, given: HeadInput) -> torch.Tensor:
        """Return (B, outputs, rows x side, columns x side)."""
        grid = given.taps[0].shape[2:]
        levels = [self.level(number, tap, prefix)
                  for number, (tap, prefix) in enumerate(zip(given.taps, given.prefix))]
        fused = None
        for number, fusion in enumerate(self.fuse):
            own = levels[3 - number]
            finer = levels[2 - number].shape[2:] if number < 3 else _times(grid, PYRAMID_SIDE)
            fused = enlarge_aligned(fusion(own, fused), finer)
        return finish_depth(self.out(fused, grid), self.config)

    def level(self, number: int, tap: torch.Tensor, prefix: torch.Tensor) -> torch.Tensor:
        """Return level ``number`` of the pyramid for a tap (B, D, rows, columns)."""
        if self.config.class_token:
            tap = self.readout[number](tap, prefix[:, 0])
        return self.lateral[number](self.resize[number](self.project[number](tap)))


class Readout(nn.Module):
    """Mixes a class token (B, D) into every patch of (B, D, rows, columns)."""

    def __init__(self, embed_dim: int) -> None:
        super().__init__()
        # model files name these weights ``cells``
        self.cells = nn.Conv2d(embed_dim, embed_dim, 1)
        self.token = nn.Linear(embed_dim, embed_dim, bias=False)

    def forward(self, patches: torch.Tensor, token: torch.Tensor) -> torch.Tensor:
        """Return (B, D, rows, columns)."""
        mixed = self.cells(patches) + self.token(token)[:, :, None, None]
        return functional.gelu(mixed, approximate='tanh')


class Fusion(nn.Module):
    """Adds a level of the pyramid to the sum of the coarser ones; ``first`` is the coarsest."""

    def __init__(self, width: int, *, first: bool) -> None:
        super().__init__()
        self.res1 = None if first else ResidualUnit(width)
        self.res2 = ResidualUnit(width)
        self.out = nn.Conv2d(width, width, 1)

    def forward(self, level: torch.Tensor, coarser: torch.Tensor | None) -> torch.Tensor:
        """Return the fused level, in the size of ``level``."""
        if self.res1 is not None and coarser is not None:
            level = coarser + self.res1(level)
        # A 1x1 convolution before the enlargement gives the numbers of one after it, for a quarter
        # of the work.
        return self.out(self.res2(level))


class ResidualUnit(nn.Module):
    """Two convolutions after a ReLU each, added to their input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, level: torch.Tensor) -> torch.Tensor:
        """Return (B, C, h, w) for a level (B, C, h, w)."""
        return level + self.conv2(functional.relu(self.conv1(functional.relu(level))))


class Output(nn.Module):
    """The last layers: ``outputs`` channels at ``side`` pixels along a side of a patch."""

    def __init__(self, width: int, hidden: int, outputs: int, side: int) -> None:
        super().__init__()
        self.side, self.hidden = side, hidden
        if side != PYRAMID_SIDE:
            self.conv1 = nn.Conv2d(width, width // 2, 3, padding=1)
            width //= 2
        if hidden:
            self.conv2 = nn.Conv2d(width, hidden, 3, padding=1)
            self.conv3 = nn.Conv2d(hidden, outputs, 1)
        else:
            self.conv3 = nn.Conv2d(width, outputs, 3, padding=1)

    def forward(self, fused: torch.Tensor, grid: Sequence[int]) -> torch.Tensor:
        """Return (B, outputs, rows x side, columns x side)."""
        if self.side != PYRAMID_SIDE:
            fused = enlarge_aligned(self.conv1(fused), _times(grid, self.side))
        return self.conv3(functional.relu(self.conv2(fused)) if self.hidden else fused)


def enlarge_aligned(level: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    """Return a level in another size; the centres of the corner pixels stay where they are."""
    return functional.interpolate(level, tuple(size), mode='bilinear', align_corners=True)


def _resizing(pyramid: Sequence[int]) -> tuple[nn.Module, ...]:
    finest, fine, _, coarse = pyramid
    return (nn.ConvTranspose2d(finest, finest, 4, 4), nn.ConvTranspose2d(fine, fine, 2, 2),
            nn.Identity(), nn.Conv2d(coarse, coarse, 3, 2, 1))


def _times(grid: Sequence[int], factor: int) -> tuple[int, int]:
    return grid[0] * factor, grid[1] * factor
