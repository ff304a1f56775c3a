"""
Surface normals from inverse depth.

Seen by a pinhole camera, the inverse depth of a plane is linear in the pixel's place, so that a
plane in space is a plane fitted to a window of inverse depths, whatever the unit of the depth.
"""

from dataclasses import dataclass
from functools import cached_property

import torch

_FLAT = 1e-6
"""Mean square of what is left of a window, relative to its inverse depth, that tells nothing."""


@dataclass(frozen=True)
class Rays:
    """
    Where the pixels of windows lie in a pinhole camera.

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

    ``inverse`` (n, h, w) are inverse depths in any unit, 0 where nothing is known; there the
    normal is NaN. Of the nine windows of 2 ``radius`` + 1 pixels a side that hold a pixel in their
    middle, on a side or in a corner, the flattest ones decide: at the edge of a thing those that
    lie on it.
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
        # added one after the other, so that a window gives the same bits wherever it stands
        length = values.shape[axis] - 2 * self._radius
        total = torch.zeros_like(values.narrow(axis, 0, length))
        for offset in range(-self._radius, self._radius + 1):
            part = values.narrow(axis, self._radius + offset, length)
            total = total.add(part, alpha=offset ** power)
        return total

    @cached_property
    def known(self) -> torch.Tensor:
        """Whether enough of the window is known: what remains of it in a corner of the image."""
        return (self._count >= (self._radius + 1) ** 2) & (self._determinant > 0)

    @cached_property
    def slopes(self) -> tuple[torch.Tensor, torch.Tensor]:
        """By how much the plane rises per pixel to the right and down."""
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
    """Return values (..., h, w) without a border, from a window that is moved by some pixels."""
    height, width = (size - 2 * border for size in values.shape[-2:])
    return values.narrow(-2, border + down, height).narrow(-1, border + right, width)
