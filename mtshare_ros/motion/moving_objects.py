"""
Things that move by themselves, found where an image differs from the expected one.

Squares of the image that the expected image does not explain are searched for in it nearby, from
coarse to fine. Each block of pixels in them then takes the motion that explains it best: that of
its square, of one beside it, or none.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F

_SQUARE = 8
"""Pixels along a side of the squares that are searched for."""

_UNEXPLAINED = 12.0
"""Mean difference in gray levels above which a square is searched for."""

_BETTER = 0.75
"""A motion is believed where it leaves less than this share of the difference."""

_BLOCK = 2
"""Pixels along a side of the blocks that take one motion."""

_STILL_FIRST = 1.0
"""Gray levels by which a motion must explain a block better than no motion."""

_ABOUT = 2
"""Pixels round a block that are compared with it."""

_ROWS = 240
"""Rows, roughly, to which images are reduced, so that the search covers the same share of any."""


@dataclass(frozen=True)
class _Level:
    """One step of the search, in images reduced by ``scale``; the others are their pixels."""

    scale: int
    patch: int
    radius: int


_LEVELS = (_Level(4, 6, 4), _Level(2, 8, 1), _Level(1, 16, 1))


@dataclass(frozen=True)
class Shifts:
    """Pixels (n,) int64 of a view, counted along its rows, and the ``source`` pixels they show."""

    pixels: torch.Tensor
    source: torch.Tensor


def find_shifts(expected: torch.Tensor, image: torch.Tensor) -> Shifts | None:
    """
    Return the pixels of an image that are elsewhere in the expected one; None if there are none.

    Both are (H, W, 3), 0 to 255. Something new may be taken for a similar part of the expected
    image.
    """
    height, width = image.shape[:2]
    factor = max(1, round(height / _ROWS))
    before, after = (_reduced(_grey(picture), factor) for picture in (expected, image))
    differences = F.avg_pool2d((before - after).abs_()[None], _SQUARE)[0]
    squares = (differences > _UNEXPLAINED).nonzero()
    if not squares.shape[0]:
        return None
    shift = _search(before, after, squares)
    blocks, moved = _of_blocks(before, after, squares, shift)
    return _as_shifts(blocks, moved, factor, (height, width))


def _grey(picture: torch.Tensor) -> torch.Tensor:
    """Return the mean (H, W) of the three colours."""
    red, green, blue = (part.float() for part in picture.unbind(dim=2))
    return (red + green).add_(blue).div_(3)


def _reduced(grey: torch.Tensor, factor: int) -> torch.Tensor:
    return F.avg_pool2d(grey[None], factor)[0] if factor > 1 else grey


def _search(expected: torch.Tensor, image: torch.Tensor, squares: torch.Tensor) -> torch.Tensor:
    """Return by how much further down and right (n, 2) squares lie in the expected image."""
    shift = torch.zeros_like(squares)
    middle = squares * _SQUARE + _SQUARE // 2
    for level in _LEVELS:
        pictures = [_reduced(picture, level.scale) for picture in (expected, image)]
        shift = level.scale * _best(
            pictures[0], pictures[1], middle // level.scale, shift // level.scale, level)
    return shift


def _best(
    expected: torch.Tensor, image: torch.Tensor, middle: torch.Tensor, start: torch.Tensor,
    level: _Level,
) -> torch.Tensor:
    """Return the shifts (n, 2) about those at the start with which patches differ least."""
    half, radius = level.patch // 2, level.radius
    here = _windows(image, middle, -half, level.patch)
    there = _windows(expected, middle + start, -half - radius, level.patch + 2 * radius)
    there = there.unfold(1, level.patch, 1).unfold(2, level.patch, 1)
    apart = (there - here[:, None, None]).abs_().flatten(3).mean(dim=3).flatten(1)
    best = apart.argmin(dim=1)
    across = 2 * radius + 1
    found = start + torch.stack((best // across, best % across), dim=1) - radius
    unmoved = (_windows(expected, middle, -half, level.patch) - here).abs_().flatten(1).mean(dim=1)
    believed = apart.amin(dim=1) < _BETTER * unmoved
    return torch.where(believed[:, None], found, 0)


def _windows(
    picture: torch.Tensor, middle: torch.Tensor, first: int, length: int
) -> torch.Tensor:
    """Return windows (..., length, length) of a picture (H, W) from ``first`` off (..., 2)."""
    steps = torch.arange(first, first + length, device=picture.device)
    rows, columns = ((middle[..., axis, None] + steps).clamp_(0, picture.shape[axis] - 1)
                     for axis in (0, 1))
    index = rows[..., :, None] * picture.shape[1] + columns[..., None, :]
    return picture.reshape(-1).index_select(0, index.view(-1)).view(index.shape)


def _of_blocks(
    expected: torch.Tensor, image: torch.Tensor, squares: torch.Tensor, shift: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the first pixels (m, 2) of the blocks that moved, and by how much (m, 2)."""
    grid = image.shape[0] // _SQUARE, image.shape[1] // _SQUARE
    squares, choices = _choices(squares, shift, grid)
    first, length = -_ABOUT, _SQUARE + 2 * _ABOUT
    corner = squares * _SQUARE
    here = _windows(image, corner, first, length)
    there = _windows(expected, corner[:, None] + choices, first, length)
    apart = F.avg_pool2d((there - here[:, None]).abs_(), _BLOCK + 2 * _ABOUT, _BLOCK)
    # the first choice is no motion
    apart[:, 0] -= _STILL_FIRST
    chosen = apart.argmin(dim=1).flatten(1)
    moved = choices.gather(1, chosen[..., None].expand(-1, -1, 2))
    steps = torch.arange(0, _SQUARE, _BLOCK, device=image.device)
    changed = moved.any(dim=2)
    return (corner[:, None] + torch.cartesian_prod(steps, steps))[changed], moved[changed]


def _choices(
    squares: torch.Tensor, shift: torch.Tensor, grid: tuple[int, int]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the squares (m, 2) beside some that moved, and what may be theirs (m, 10, 2)."""
    table = torch.zeros(grid[0] + 2, grid[1] + 2, 2, dtype=torch.long, device=squares.device)
    table[squares[:, 0] + 1, squares[:, 1] + 1] = shift
    about = table.unfold(0, 3, 1).unfold(1, 3, 1).flatten(3).transpose(2, 3)
    beside = about.flatten(2).any(dim=2).nonzero()
    found = about[beside[:, 0], beside[:, 1]]
    return beside, torch.cat((torch.zeros_like(found[:, :1]), found), dim=1)


def _as_shifts(
    blocks: torch.Tensor, moved: torch.Tensor, factor: int, size: tuple[int, int]
) -> Shifts:
    """Return the shifts of all pixels of blocks in images that are larger by a factor."""
    steps = torch.arange(_BLOCK * factor, device=blocks.device)
    here = (blocks[:, None] * factor + torch.cartesian_prod(steps, steps)).view(-1, 2)
    there = here + (moved * factor).repeat_interleave((_BLOCK * factor) ** 2, dim=0)
    rows, columns = (there[:, axis].clamp(0, size[axis] - 1) for axis in (0, 1))
    return Shifts(here[:, 0] * size[1] + here[:, 1], rows * size[1] + columns)
