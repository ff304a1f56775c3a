"""Hashes and smooth noise for textures."""

import math

import numpy as np

from mtshare_ros.data.rooms.kernels.compiler import inlined, kernel

_KNOTS = np.random.default_rng(20240229).random(64 * 64).astype(np.float32)
_TWO, _THREE = np.float32(2), np.float32(3)


@inlined
def hashed(x, y, z):
    """Return a number in [0, 1] that only the three integers decide."""
    mixed = (x * 374761393 + y * 668265263 + z * 2147483647) & 0x7fffffff
    mixed = ((mixed ^ (mixed >> 13)) * 1274126177) & 0x7fffffff
    return ((mixed ^ (mixed >> 16)) & 0xffff) / 65535.0


@kernel
def value_noise(x, y, seed):
    """Return smooth noise in [0, 1] with one knot per unit; it repeats every 64 units."""
    floor_x, floor_y = math.floor(x), math.floor(y)
    fx, fy = np.float32(x - floor_x), np.float32(y - floor_y)
    column, line = int(floor_x) + seed * 17, int(floor_y) + seed * 29
    left, right = column & 63, (column + 1) & 63
    low, high = (line & 63) * 64, ((line + 1) & 63) * 64
    fx = fx * fx * (_THREE - _TWO * fx)
    fy = fy * fy * (_THREE - _TWO * fy)
    bottom = _KNOTS[low + left] + (_KNOTS[low + right] - _KNOTS[low + left]) * fx
    top = _KNOTS[high + left] + (_KNOTS[high + right] - _KNOTS[high + left]) * fx
    return bottom + (top - bottom) * fy


@kernel
def layered_noise(x, y, seed):
    """Return three octaves of smooth noise in [0, 1]."""
    return (0.55 * value_noise(x, y, seed) + 0.3 * value_noise(2.1 * x + 7, 2.1 * y, seed + 1)
            + 0.15 * value_noise(4.3 * x, 4.3 * y + 3, seed + 2))
