"""Surface normals from inverse depth, and edges where depth, direction or class changes."""

from dataclasses import dataclass
from functools import cached_property

import torch

_FLAT = 1e-6
"""Relative mean square distance from a plane below which windows count as equally flat."""


@dataclass(frozen=True)
class Rays:
    """
    Where the pixels of windows are in a pinhole camera.

    ``right`` (n, 1, w) and ``down`` (n, h, 1) are pixels from the principal point, ``fx`` and
    ``fy`` the focal lengths in pixels, numbers or tensors ().
    """

    right: torch.Tensor
    down: torch.Tensor
    fx: float | torch.Tensor
    fy: float | torch.Tensor

    def cut(self, border: int) -> 'Rays':
        """Return the windows without ``border`` pixels along each side."""
        inner = slice(border, -border)
        return Rays(self.right[..., inner], self.down[..., inner, :], self.fx, self.fy)


def find_normals(inverse: torch.Tensor, rays: Rays, radius: int) -> torch.Tensor:
    """
    Return unit normals (n, 3, h - 4 radius, w - 4 radius) that face the camera, optical frame.

    ``inverse`` (n, h, w) are inverse depths in any unit, 0 where unknown; the normal is NaN there.
    A plane is fitted to each of the nine windows of 2 ``radius`` + 1 pixels along a side that have
    the pixel in their middle, on a side or in a corner. The flatter a window, the more it counts:
    at the edge of a thing these are the windows that are on it.
    """
    normals, flatness = _normals_of_windows(inverse, rays, radius)
    total = torch.zeros_like(_cut(normals, radius))
    for down in (-radius, 0, radius):
        for right in (-radius, 0, radius):
            weight = _cut(flatness, radius, down, right)[:, None]
            total += weight * _cut(normals, radius, down, right)
    length = total.square().sum(dim=1, keepdim=True).sqrt()
    known = (_cut(inverse, 2 * radius) > 0)[:, None] & (length > 0)
    return torch.where(known, total / length, torch.nan)


def _normals_of_windows(
    inverse: torch.Tensor, rays: Rays, radius: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the normals (n, 3, h - 2 radius, w - 2 radius) of windows, and how flat they are."""
    sums = _Sums(inverse, radius)
    rays = rays.cut(radius)
    right, down = sums.slopes
    towards = torch.stack((rays.fx * right, rays.fy * down,
                           sums.middle - rays.right * right - rays.down * down), dim=1)
    length = towards.square().sum(dim=1, keepdim=True).sqrt()
    known = sums.known & (length[:, 0] > 0)
    normals = torch.where(known[:, None], -towards / length, 0.0)
    return normals, torch.where(known, (sums.roughness + _FLAT) ** -2, 0.0)


class _Sums:
    """Moments of the inverse depths in the window round each pixel, and the plane through them."""

    def __init__(self, inverse: torch.Tensor, radius: int) -> None:
        self._radius = radius
        inside = (inverse > 0).to(inverse.dtype)
        self._count, self._x, self._y, self._xx, self._xy, self._yy = self._moments(
            inside, ((0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2)))
        self._w, self._wx, self._wy = self._moments(inverse, ((0, 0), (1, 0), (0, 1)))
        self._ww, = self._moments(inverse.square(), ((0, 0),))

    def _moments(
        self, values: torch.Tensor, powers: tuple[tuple[int, int], ...]
    ) -> list[torch.Tensor]:
        """Return sums of values times powers of the pixel's place (right, down) in the window."""
        rows = {power: self._sum(values, power, axis=2) for power, _ in powers}
        return [self._sum(rows[right], down, axis=1) for right, down in powers]

    def _sum(self, values: torch.Tensor, power: int, axis: int) -> torch.Tensor:
        # in a fixed order, so that a window gives the same bits wherever it is in a tensor
        length = values.shape[axis] - 2 * self._radius
        total = torch.zeros_like(values.narrow(axis, 0, length))
        for offset in range(-self._radius, self._radius + 1):
            part = values.narrow(axis, self._radius + offset, length)
            total = total.add(part, alpha=offset ** power)
        return total

    @cached_property
    def known(self) -> torch.Tensor:
        """Whether enough of the window is known: as much as is in the image at its corner."""
        return (self._count >= (self._radius + 1) ** 2) & (self._determinant > 0)

    @cached_property
    def slopes(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The slopes of the plane per pixel to the right and down."""
        xx, xy, yy, wx, wy = self._spread
        return ((yy * wx - xy * wy) / self._determinant, (xx * wy - xy * wx) / self._determinant)

    @cached_property
    def middle(self) -> torch.Tensor:
        """The inverse depth of the plane in the middle of the window."""
        right, down = self.slopes
        return (self._w - right * self._x - down * self._y) / self._count

    @cached_property
    def roughness(self) -> torch.Tensor:
        """The mean square distance from the plane, over the mean inverse depth squared."""
        _, _, _, wx, wy = self._spread
        right, down = self.slopes
        mean = self._w / self._count
        square = self._ww / self._count - mean.square()
        rest = square - (right * wx + down * wy) / self._count
        return rest.clamp(min=0) / mean.square()

    @cached_property
    def _spread(self) -> tuple[torch.Tensor, ...]:
        """Moments about the mean: xx, xy, yy, wx, wy."""
        x, y = self._x / self._count, self._y / self._count
        return (self._xx - x * self._x, self._xy - x * self._y, self._yy - y * self._y,
                self._wx - x * self._w, self._wy - y * self._w)

    @cached_property
    def _determinant(self) -> torch.Tensor:
        xx, xy, yy, _, _ = self._spread
        return xx * yy - xy.square()


def _cut(values: torch.Tensor, border: int, down: int = 0, right: int = 0) -> torch.Tensor:
    """Return values (..., h, w) without a border, shifted by some pixels within it."""
    height, width = (size - 2 * border for size in values.shape[-2:])
    return values.narrow(-2, border + down, height).narrow(-1, border + right, width)


DEPTH_STEP = 0.17
"""Relative step of depth that is an edge with a probability of one half."""

NORMAL_STEP = 0.6
"""The same for the distance of two unit normals: 35 degrees."""

_LABEL_ODDS = 9.0
"""Odds of an edge where the class changes."""

_LEAST_FLOOR = 1e-12
"""Least inverse depth that a step is divided by."""

_LEAST_ODDS, _MOST_ODDS = 1e-3, 1e3


def edge_logits(
    inverse: torch.Tensor, radius: int, *, floor: torch.Tensor,
    normals: torch.Tensor | None = None, labels: torch.Tensor | None = None,
) -> torch.Tensor:
    """
    Return the logit of an edge for every pixel: (n, h, w).

    ``inverse`` (n, h + 4 radius, w + 4 radius) are inverse depths, 0 where unknown; there is no
    step there. A step is relative to the nearer side, or to ``floor`` () where that is larger.
    ``normals`` (n, 3, h + 2, w + 2) are unit vectors, ``labels`` (n, h + 2, w + 2) classes.
    """
    odds = (depth_steps(inverse, radius, floor) / DEPTH_STEP).square()
    if normals is not None:
        odds = torch.maximum(odds, (_normal_steps(normals) / NORMAL_STEP).square())
    if labels is not None:
        odds = torch.maximum(odds, _label_steps(labels) * _LABEL_ODDS)
    return odds.clamp(_LEAST_ODDS, _MOST_ODDS).log()


def depth_steps(inverse: torch.Tensor, radius: int, floor: torch.Tensor) -> torch.Tensor:
    """
    Return the largest relative step of depth beside each pixel: (n, h, w), as ``edge_logits``.

    A step is what neither side explains when it continues as a plane: slanted surfaces have none.
    """
    steps = [_steps_along(inverse, axis, radius, floor) for axis in (1, 2)]
    return torch.stack([side for pair in steps for side in pair]).amax(dim=0)


def _steps_along(
    inverse: torch.Tensor, axis: int, radius: int, floor: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the steps (n, h, w) to the pixels ``radius`` before and after along an axis."""
    inner = inverse.narrow(3 - axis, 2 * radius, inverse.shape[3 - axis] - 4 * radius)
    length = inner.shape[axis] - 3 * radius
    a, b, c, d = (inner.narrow(axis, number * radius, length) for number in range(4))
    step = torch.minimum((a - 2 * b + c).abs(), (b - 2 * c + d).abs())
    relative = step / torch.maximum(b, c).clamp(min=floor.clamp(min=_LEAST_FLOOR))
    known = (a > 0) & (b > 0) & (c > 0) & (d > 0)
    between = torch.where(known, relative, 0.0)
    size = length - radius
    return between.narrow(axis, 0, size), between.narrow(axis, radius, size)


def _normal_steps(normals: torch.Tensor) -> torch.Tensor:
    """Return the largest distance to the normal of one of the four neighbours: (n, h, w)."""
    middle = _neighbour(normals, 0, 0)
    distances = [(middle - _neighbour(normals, down, right)).square().sum(dim=1)
                 for down, right in _BESIDE]
    # next to an unknown normal there is no edge
    return torch.stack(distances).nan_to_num_(0.0).amax(dim=0).sqrt()


def _label_steps(labels: torch.Tensor) -> torch.Tensor:
    """Return 1 where one of the four neighbours has another class, else 0: (n, h, w)."""
    middle = _neighbour(labels, 0, 0)
    others = [middle != _neighbour(labels, down, right) for down, right in _BESIDE]
    return torch.stack(others).any(dim=0).float()


_BESIDE = ((-1, 0), (1, 0), (0, -1), (0, 1))


def _neighbour(values: torch.Tensor, down: int, right: int) -> torch.Tensor:
    height, width = values.shape[-2] - 2, values.shape[-1] - 2
    return values.narrow(-2, 1 + down, height).narrow(-1, 1 + right, width)
