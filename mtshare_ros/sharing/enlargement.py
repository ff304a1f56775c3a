"""Bilinear enlargement of whole maps and of parts of them."""

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import torch
from torch.nn import functional

from mtshare_ros.sharing.linear import PackedLinear
from mtshare_ros.sharing.pixel_maps import Level, pixels_of_patches


def enlarge(raw: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Return maps (B, C, h, w) enlarged bilinearly to a size, float32 (B, C, H, W)."""
    if raw.shape[2:] == size:
        return raw.float()
    return functional.interpolate(raw.float(), size, mode='bilinear', align_corners=False)


@dataclass(frozen=True)
class PatchWindows:
    """
    The pixels of each patch and of a border round it, rows of a map: (N, pixels) each.

    The border of ``narrow`` is what a patch depends on, that of ``wide`` a whole number of
    enlarged pixels.
    """

    narrow: torch.Tensor
    wide: torch.Tensor


@dataclass(frozen=True)
class Enlargement:
    """
    What ``enlarge`` makes of maps with ``side`` pixels along a side of a patch.

    An enlarged patch has ``target`` pixels along a side and depends on its own pixels before and
    the next ones round them. Where the sides are equal there is nothing to enlarge.
    """

    side: int
    target: int

    @property
    def copies(self) -> bool:
        """Whether the maps have the target size."""
        return self.side == self.target

    def patches(
        self, raw: torch.Tensor, grid: tuple[int, int], patches: torch.Tensor
    ) -> torch.Tensor:
        """
        Return patches (n,) enlarged: (n, C, target ** 2), pixels of a patch in raster order.

        ``raw`` (pixels, C) are the map's pixels in raster order, float32, of a (rows, columns)
        grid of patches.
        """
        return self.patches_at(raw, self.windows(grid, raw.device), patches)

    def patches_at(
        self, raw: torch.Tensor, windows: PatchWindows, patches: torch.Tensor
    ) -> torch.Tensor:
        """Return what ``patches`` does, for given ``windows`` of the grid."""
        if self.copies:
            return _gathered(raw, windows.narrow, patches)
        if _multiplies_on(raw.device):
            pixels = _gathered(raw, windows.narrow, patches)
            # a matrix product would spread a NaN or infinity over its whole window
            if bool(torch.isfinite(pixels.sum())):
                large = _product(self)(pixels.flatten(0, 1))
                return large.view(*pixels.shape[:2], -1)
        return self.inner(_gathered(raw, windows.wide, patches), self.wide_border)

    def windows(self, grid: tuple[int, int], device: torch.device) -> PatchWindows:
        """Return what the patches of a (rows, columns) grid read; edge pixels repeat outside."""
        narrow, wide = (
            pixels_of_patches(Level(grid, self.side), device, border=border, nearest=True)
            for border in ((0, 0) if self.copies else (1, self.wide_border)))
        return PatchWindows(narrow, wide)

    @property
    def wide_border(self) -> int:
        """Pixels round a patch that a whole number of enlarged ones covers."""
        return Fraction(self.target, self.side).denominator

    def inner(self, windows: torch.Tensor, border: int) -> torch.Tensor:
        """Return the patches (n, C, target ** 2) in windows with a border (n, C, pixels)."""
        around, across = border * self.target // self.side, self.side + 2 * border
        size = self.target + 2 * around
        large = enlarge(windows.unflatten(2, (across, across)), (size, size))
        own = slice(around, around + self.target)
        return large[..., own, own].flatten(2)


def _gathered(raw: torch.Tensor, index: torch.Tensor, patches: torch.Tensor) -> torch.Tensor:
    """Return the pixels (n, C, pixels) of the windows ``index`` (N, pixels) of patches (n,)."""
    pixels = raw.index_select(0, index.index_select(0, patches).view(-1))
    return pixels.view(-1, index.shape[1], raw.shape[1]).transpose(1, 2).contiguous()


def _multiplies_on(device: torch.device) -> bool:
    """
    Tell whether a device enlarges windows by a matrix product.

    That is fastest on a CPU. On CUDA, asking whether all values are finite would make the CPU wait
    for the device.
    """
    return device.type == 'cpu'


@lru_cache(maxsize=8)
def _product(enlargement: Enlargement) -> PackedLinear:
    """Return the matrix product that enlarges windows ((side + 2) ** 2,)."""
    border = enlargement.wide_border
    across = enlargement.side + 2 * border
    units = torch.eye(across ** 2)[None]
    near = torch.arange(across ** 2).view(across, across)
    inside = slice(border - 1, across - border + 1)
    weights = enlargement.inner(units, border)[0][near[inside, inside].flatten()]
    return PackedLinear(weights.t(), None, dtype=torch.float32)
