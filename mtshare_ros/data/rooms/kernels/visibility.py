"""Which primitive each pixel sees, and smooth outlines between primitives."""

import numpy as np

from mtshare_ros.data.rooms.kernels.compiler import inlined, kernel
from mtshare_ros.data.rooms.kernels.intersect import (
    away_from_zero,
    box_span,
    cylinder_span,
    ellipsoid_span,
    hit,
    MISS,
)

_ZERO, _ONE, _HALF = np.float32(0), np.float32(1), np.float32(0.5)
_NEAREST = np.float32(1e-3)
_NEAR_PLANE = 0.05


@kernel
def screen_rectangles(geometry, position, rotation, focal, height, width, rectangles):
    """Fill ``rectangles`` (P, 4): columns from, to, rows from, to; empty where unseen."""
    for row in range(geometry.shape[0]):
        low_x, low_y, high_x, high_y = 1e9, 1e9, -1e9, -1e9
        behind = 0
        wide = max(_ONE, _ONE + abs(geometry[row, 16]))
        for corner in range(8):
            lx = geometry[row, 3] * wide * (1 if corner & 1 else -1)
            ly = geometry[row, 4] * wide * (1 if corner & 2 else -1)
            lz = geometry[row, 5] * (1 if corner & 4 else -1)
            wx = geometry[row, 6] * lx + geometry[row, 7] * ly + geometry[row, 8] * lz
            wy = geometry[row, 9] * lx + geometry[row, 10] * ly + geometry[row, 11] * lz
            wz = geometry[row, 12] * lx + geometry[row, 13] * ly + geometry[row, 14] * lz
            wx += geometry[row, 0] - position[0]
            wy += geometry[row, 1] - position[1]
            wz += geometry[row, 2] - position[2]
            z = rotation[0, 2] * wx + rotation[1, 2] * wy + rotation[2, 2] * wz
            if z < _NEAR_PLANE:
                behind += 1
                continue
            x = (rotation[0, 0] * wx + rotation[1, 0] * wy + rotation[2, 0] * wz) / z * focal
            y = (rotation[0, 1] * wx + rotation[1, 1] * wy + rotation[2, 1] * wz) / z * focal
            low_x, high_x = min(low_x, x), max(high_x, x)
            low_y, high_y = min(low_y, y), max(high_y, y)
        _store(rectangles, row, behind, low_x, high_x, low_y, high_y, height, width)


@kernel
def _store(rectangles, row, behind, low_x, high_x, low_y, high_y, height, width):
    if behind == 8:
        rectangles[row, 0] = rectangles[row, 1] = rectangles[row, 2] = rectangles[row, 3] = 0
    # corners behind the camera have no place in the image, so any pixel may see the primitive
    elif behind > 0:
        rectangles[row, 0], rectangles[row, 1] = 0, width
        rectangles[row, 2], rectangles[row, 3] = 0, height
    else:
        rectangles[row, 0] = min(max(int(low_x + width / 2) - 1, 0), width)
        rectangles[row, 1] = min(max(int(high_x + width / 2) + 2, 0), width)
        rectangles[row, 2] = min(max(int(low_y + height / 2) - 1, 0), height)
        rectangles[row, 3] = min(max(int(high_y + height / 2) + 2, 0), height)


@kernel
def see_shell(size, position, rotation, focal, depth, seen):
    """Start with the inside of the room: depth (H, W) and rows 0 to 5 in ``seen`` (H, W)."""
    height, width = depth.shape
    step = _ONE / focal
    for y in range(height):
        b = (np.float32(y) + _HALF - np.float32(height) * _HALF) * step
        base_x = rotation[0, 1] * b + rotation[0, 2]
        base_y = rotation[1, 1] * b + rotation[1, 2]
        base_z = rotation[2, 1] * b + rotation[2, 2]
        for x in range(width):
            a = (np.float32(x) + _HALF - np.float32(width) * _HALF) * step
            dx = away_from_zero(base_x + rotation[0, 0] * a)
            dy = away_from_zero(base_y + rotation[1, 0] * a)
            dz = away_from_zero(base_z + rotation[2, 0] * a)
            tx = ((size[0] if dx > _ZERO else _ZERO) - position[0]) / dx
            ty = ((size[1] if dy > _ZERO else _ZERO) - position[1]) / dy
            tz = ((size[2] if dz > _ZERO else _ZERO) - position[2]) / dz
            face_x = np.int16(3) if dx > _ZERO else np.int16(2)
            face_y = np.int16(5) if dy > _ZERO else np.int16(4)
            face_z = np.int16(1) if dz > _ZERO else np.int16(0)
            nearest = min(tx, min(ty, tz))
            face = face_x if tx <= nearest else (face_y if ty <= nearest else face_z)
            depth[y, x] = nearest
            seen[y, x] = face


@kernel
def see_primitives(geometry, first, rectangles, axes, focal, depth, seen):
    """
    Let every primitive from row ``first`` on cover what lies behind it.

    ``axes`` (P, 3, 3) turns a camera direction into each primitive's own frame.
    """
    for row in range(first, geometry.shape[0]):
        x0, x1 = rectangles[row, 0], rectangles[row, 1]
        if x1 <= x0:
            continue
        kind = geometry[row, 15]
        for y in range(rectangles[row, 2], rectangles[row, 3]):
            if kind == 0:
                _scan_box(geometry[row], row, axes[row], focal, y, x0, x1, depth, seen)
            elif kind == 1:
                _scan_cylinder(geometry[row], row, axes[row], focal, y, x0, x1, depth, seen)
            else:
                _scan_ellipsoid(geometry[row], row, axes[row], focal, y, x0, x1, depth, seen)


@inlined
def _scan_box(shape, row, axes, focal, y, x0, x1, depth, seen):
    height, width = depth.shape
    step = _ONE / focal
    b = (np.float32(y) + _HALF - np.float32(height) * _HALF) * step
    base_x = axes[0, 1] * b + axes[0, 2]
    base_y = axes[1, 1] * b + axes[1, 2]
    base_z = axes[2, 1] * b + axes[2, 2]
    slope_x, slope_y, slope_z = axes[0, 0], axes[1, 0], axes[2, 0]
    hx, hy, hz, ox, oy, oz = shape[3], shape[4], shape[5], shape[17], shape[18], shape[19]
    name = np.int16(row)
    depths, names = depth[y, x0:x1], seen[y, x0:x1]
    left = np.float32(x0) + _HALF - np.float32(width) * _HALF
    for x in range(len(depths)):
        a = (left + np.float32(x)) * step
        enter, leave = box_span(hx, hy, hz, ox, oy, oz, base_x + slope_x * a,
                                base_y + slope_y * a, base_z + slope_z * a)
        before = depths[x]
        # without branches, so that the compiler can vectorise the loop
        covers = (enter <= leave) & (enter > _NEAREST) & (enter < before)
        depths[x] = enter if covers else before
        names[x] = name if covers else names[x]


@inlined
def _scan_cylinder(shape, row, axes, focal, y, x0, x1, depth, seen):
    height, width = depth.shape
    step = _ONE / focal
    b = (np.float32(y) + _HALF - np.float32(height) * _HALF) * step
    base_x = axes[0, 1] * b + axes[0, 2]
    base_y = axes[1, 1] * b + axes[1, 2]
    base_z = axes[2, 1] * b + axes[2, 2]
    name = np.int16(row)
    depths, names = depth[y, x0:x1], seen[y, x0:x1]
    left = np.float32(x0) + _HALF - np.float32(width) * _HALF
    for x in range(len(depths)):
        a = (left + np.float32(x)) * step
        enter, leave = cylinder_span(
            shape[3], shape[4], shape[5], shape[16], shape[17], shape[18], shape[19],
            base_x + axes[0, 0] * a, base_y + axes[1, 0] * a, base_z + axes[2, 0] * a)
        if enter <= leave and enter > _NEAREST and enter < depths[x]:
            depths[x] = enter
            names[x] = name


@inlined
def _scan_ellipsoid(shape, row, axes, focal, y, x0, x1, depth, seen):
    height, width = depth.shape
    step = _ONE / focal
    b = (np.float32(y) + _HALF - np.float32(height) * _HALF) * step
    base_x = axes[0, 1] * b + axes[0, 2]
    base_y = axes[1, 1] * b + axes[1, 2]
    base_z = axes[2, 1] * b + axes[2, 2]
    name = np.int16(row)
    depths, names = depth[y, x0:x1], seen[y, x0:x1]
    left = np.float32(x0) + _HALF - np.float32(width) * _HALF
    for x in range(len(depths)):
        a = (left + np.float32(x)) * step
        enter, leave = ellipsoid_span(
            shape[3], shape[4], shape[5], shape[17], shape[18], shape[19],
            base_x + axes[0, 0] * a, base_y + axes[1, 0] * a, base_z + axes[2, 0] * a)
        if enter <= leave and enter > _NEAREST and enter < depths[x]:
            depths[x] = enter
            names[x] = name


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
                # clipped first, or one sample on a lamp would make the whole pixel white
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
