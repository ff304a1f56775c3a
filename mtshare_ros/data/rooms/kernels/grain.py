"""Fine texture on every surface, fixed to it: what a camera sees move when it moves."""

import math

import numpy as np

from mtshare_ros.data.rooms.kernels.compiler import inlined, kernel
from mtshare_ros.data.rooms.kernels.noise import hashed

_HALF, _ONE, _TWO, _THREE = (np.float32(value) for value in (0.5, 1, 2, 3))
_FINEST_METRES = np.float32(0.02)
_OCTAVES = 4
_LEAST = np.float32(0.1)


@kernel
def add_grain(depth, seen, geometry, axes, focal, strength, radiance):
    """
    Multiply ``radiance`` (H, W, 3) by 1 + ``strength`` times noise in each primitive's own frame.

    The octaves are 2 to 16 cm wide; one whose knots lie less than two pixels apart is left out,
    and fades in up to four.
    """
    height, width = depth.shape
    for y in range(height):
        b = (np.float32(y) + _HALF - np.float32(height) * _HALF) / focal
        for x in range(width):
            a = (np.float32(x) + _HALF - np.float32(width) * _HALF) / focal
            row, t = seen[y, x], depth[y, x]
            m, g = axes[row], geometry[row]
            noise = _octaves(g[17] + t * (m[0, 0] * a + m[0, 1] * b + m[0, 2]),
                             g[18] + t * (m[1, 0] * a + m[1, 1] * b + m[1, 2]),
                             g[19] + t * (m[2, 0] * a + m[2, 1] * b + m[2, 2]), row, t / focal)
            factor = max(_ONE + strength * noise, _LEAST)
            for channel in range(3):
                radiance[y, x, channel] *= factor


@inlined
def _octaves(x, y, z, row, pixel):
    """Return the sum of the octaves at a point; ``pixel`` is how wide a pixel is there."""
    total, size = np.float32(0), _FINEST_METRES
    for octave in range(_OCTAVES):
        fade = min(size / pixel * _HALF - _ONE, _ONE)
        if fade > 0:
            total += fade * _noise(x / size, y / size, z / size, row * _OCTAVES + octave)
        size *= _TWO
    return total


@inlined
def _noise(x, y, z, seed):
    """Return smooth noise in [-1, 1] with one knot per unit."""
    i, j, k = int(math.floor(x)), int(math.floor(y)), int(math.floor(z))
    low = _mixed(_line(i, j, k, seed, x - i), _line(i, j + 1, k, seed, x - i), y - j)
    high = _mixed(_line(i, j, k + 1, seed, x - i), _line(i, j + 1, k + 1, seed, x - i), y - j)
    return _TWO * _mixed(low, high, z - k) - _ONE


@inlined
def _line(i, j, k, seed, share):
    """Return the noise on the line from one knot to the next."""
    return _mixed(hashed(i, j, k + 613 * seed), hashed(i + 1, j, k + 613 * seed), share)


@inlined
def _mixed(low, high, share):
    return low + (high - low) * share * share * (_THREE - _TWO * share)
