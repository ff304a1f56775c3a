"""Bilinear enlargement of single cells."""

from functools import lru_cache

import torch

from mtshare_ros.inference.postprocess import enlarge
from mtshare_ros.model.architecture import PATCH_SIZE
from mtshare_ros.model.head import OUTPUT_STRIDE
from mtshare_ros.sharing.level import Level, pixels_of_cells

_SIDE = PATCH_SIZE // OUTPUT_STRIDE
_WINDOW = _SIDE + 2
"""Pixels of a raw output that the enlarged cell depends on, along each side."""


def enlarge_cells(
    raw: torch.Tensor, grid: tuple[int, int], cells: torch.Tensor
) -> torch.Tensor:
    """
    Return what ``enlarge`` makes of cells (n,): (n, C, 256), pixels of a cell in raster order.

    ``raw`` (pixels, C) is a raw output as float32 rows in raster order of a (rows, columns) grid.
    """
    windows = raw.index_select(0, _windows(grid, raw.device).index_select(0, cells).view(-1))
    count, channels = cells.shape[0], raw.shape[1]
    windows = windows.view(count, _WINDOW ** 2, channels).transpose(1, 2).contiguous()
    if _can_multiply(windows):
        large = torch.mm(windows.view(-1, _WINDOW ** 2), _weights(raw.device))
        return large.view(count, channels, PATCH_SIZE ** 2)
    return _inner(enlarge(windows.unflatten(2, (_WINDOW, _WINDOW))))


def _can_multiply(windows: torch.Tensor) -> bool:
    """
    Tell whether a matrix product with the weights enlarges the windows.

    On the CPU it is the fastest way, but spreads a value that is not finite over its window; to
    look for one on CUDA would wait for the device.
    """
    return windows.device.type == 'cpu' and bool(torch.isfinite(windows.sum()))


@lru_cache(maxsize=16)
def _windows(grid: tuple[int, int], device: torch.device) -> torch.Tensor:
    """Return the pixels (N, 36) each cell depends on; beyond the edge it is the nearest one."""
    return pixels_of_cells(Level(grid, _SIDE), device, border=1, nearest=True)


@lru_cache(maxsize=4)
def _weights(device: torch.device) -> torch.Tensor:
    """Return the weights (36, 256) of each pixel of a window in those of the enlarged cell."""
    units = torch.eye(_WINDOW ** 2).view(1, -1, _WINDOW, _WINDOW)
    return _inner(enlarge(units))[0].to(device)


def _inner(large: torch.Tensor) -> torch.Tensor:
    """Cut enlarged windows (n, C, 24, 24) to their cells (n, C, 256)."""
    inner = slice(OUTPUT_STRIDE, OUTPUT_STRIDE + PATCH_SIZE)
    return large[..., inner, inner].flatten(2)
