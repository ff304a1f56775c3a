"""
Smooth outlines: pixels on an edge are split into samples.

A sample only asks which of the surfaces around the pixel covers it and takes that neighbour's
colour, so it costs no shading and no shadow.
"""

import numpy as np

from mtshare_ros.data.rooms.kernels.compiler import inlined, kernel
from mtshare_ros.data.rooms.kernels.intersect import hit, MISS

_HALF = np.float32(0.5)
_BRIGHTEST = 1.5


@kernel
def smooth_edges(seen, shaded, geometry, axes, focal, samples, radiance):
    """Blend the outlines of ``shaded`` into ``radiance`` (H, W, 3), which starts as its copy."""
    height, width = seen.shape
    near_y, near_x = np.empty(9, np.int64), np.empty(9, np.int64)
    for y in range(height):
        for x in range(width):
            own = seen[y, x]
            if not ((x > 0 and seen[y, x - 1] != own) or (x < width - 1 and seen[y, x + 1] != own)
                    or (y > 0 and seen[y - 1, x] != own)
                    or (y < height - 1 and seen[y + 1, x] != own)):
                continue
            count = _candidates(seen, x, y, near_x, near_y)
            red = green = blue = 0.0
            for sample in range(samples.shape[0]):
                best = _covering(seen, geometry, axes, focal, x + samples[sample, 0],
                                 y + samples[sample, 1], near_x, near_y, count)
                v, u = near_y[best], near_x[best]
                red += min(shaded[v, u, 0], _BRIGHTEST)
                green += min(shaded[v, u, 1], _BRIGHTEST)
                blue += min(shaded[v, u, 2], _BRIGHTEST)
            radiance[y, x, 0] = red / samples.shape[0]
            radiance[y, x, 1] = green / samples.shape[0]
            radiance[y, x, 2] = blue / samples.shape[0]


@inlined
def _candidates(seen, x, y, near_x, near_y):
    """List one pixel for each surface in the 3x3 neighbourhood, the centre first."""
    height, width = seen.shape
    near_x[0], near_y[0] = x, y
    count = 1
    for v in range(max(y - 1, 0), min(y + 2, height)):
        for u in range(max(x - 1, 0), min(x + 2, width)):
            known = False
            for other in range(count):
                if seen[near_y[other], near_x[other]] == seen[v, u]:
                    known = True
            if not known:
                near_x[count], near_y[count] = u, v
                count += 1
    return count


@inlined
def _covering(seen, geometry, axes, focal, u, v, near_x, near_y, count):
    """Return which candidate is nearest along the ray through a point of the image plane."""
    height, width = seen.shape
    a = (np.float32(u) - np.float32(width) * _HALF) / focal
    b = (np.float32(v) - np.float32(height) * _HALF) / focal
    best, nearest = 0, MISS
    for candidate in range(count):
        row = seen[near_y[candidate], near_x[candidate]]
        m, g = axes[row], geometry[row]
        t = hit(geometry, row, g[17], g[18], g[19], m[0, 0] * a + m[0, 1] * b + m[0, 2],
                m[1, 0] * a + m[1, 1] * b + m[1, 2], m[2, 0] * a + m[2, 1] * b + m[2, 2])
        if t < nearest:
            best, nearest = candidate, t
    return best
