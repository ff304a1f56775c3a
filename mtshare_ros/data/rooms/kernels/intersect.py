"""
Where a ray enters a primitive, and the normal there.

A geometry row is 20 float32 numbers: centre 0:3, half sizes 3:6, rotation local to world 6:15 by
rows, kind 15, taper 16, camera position in the primitive's own frame 17:20. Rays start outside;
only front faces are hit. Parameters are those of the ray, so with a camera direction (a, b, 1)
they are z-depths.
"""

import math

import numpy as np

from mtshare_ros.data.rooms.kernels.compiler import inlined

GEOMETRY_COLUMNS = 20
MISS = np.float32(1e9)
_TINY = np.float32(1e-7)
_ZERO, _ONE = np.float32(0), np.float32(1)
_NEAREST = np.float32(1e-3)


@inlined
def away_from_zero(value):
    """Return the value, or a tiny one where it would divide by zero."""
    return value if abs(value) > _TINY else _TINY


@inlined
def box_span(half_x, half_y, half_z, x, y, z, dx, dy, dz):
    """Return where a ray enters and leaves a box; it misses where enter > leave."""
    inverse_x = _ONE / away_from_zero(dx)
    inverse_y = _ONE / away_from_zero(dy)
    inverse_z = _ONE / away_from_zero(dz)
    reach_x, reach_y = abs(inverse_x) * half_x, abs(inverse_y) * half_y
    reach_z = abs(inverse_z) * half_z
    mid_x, mid_y, mid_z = -x * inverse_x, -y * inverse_y, -z * inverse_z
    enter = max(mid_x - reach_x, max(mid_y - reach_y, mid_z - reach_z))
    leave = min(mid_x + reach_x, min(mid_y + reach_y, mid_z + reach_z))
    return enter, leave


@inlined
def cylinder_span(half_x, half_y, half_z, taper, x, y, z, dx, dy, dz):
    """Return where a ray enters and leaves a tapered elliptic cylinder."""
    px, py, qx, qy = x / half_x, y / half_y, dx / half_x, dy / half_y
    growth = taper / half_z
    radius, widening = _ONE + growth * z, growth * dz
    a = away_from_zero(qx * qx + qy * qy - widening * widening)
    b = px * qx + py * qy - radius * widening
    c = px * px + py * py - radius * radius
    square = b * b - a * c
    root = math.sqrt(max(square, _ZERO))
    first, second = (-b - root) / a, (-b + root) / a
    inverse = _ONE / away_from_zero(dz)
    low = -z * inverse - abs(inverse) * half_z
    high = -z * inverse + abs(inverse) * half_z
    if a > _ZERO:
        low, high = max(low, first), min(high, second)
    elif widening > _ZERO:
        low = max(low, first)
    else:
        high = min(high, second)
    return (low if square >= _ZERO else MISS), (high if square >= _ZERO else -MISS)


@inlined
def ellipsoid_span(half_x, half_y, half_z, x, y, z, dx, dy, dz):
    """Return where a ray enters and leaves an ellipsoid."""
    px, py, pz = x / half_x, y / half_y, z / half_z
    qx, qy, qz = dx / half_x, dy / half_y, dz / half_z
    a = qx * qx + qy * qy + qz * qz
    b = px * qx + py * qy + pz * qz
    square = b * b - a * (px * px + py * py + pz * pz - _ONE)
    root = math.sqrt(max(square, _ZERO))
    return ((-b - root) / a if square >= _ZERO else MISS,
            (-b + root) / a if square >= _ZERO else -MISS)


@inlined
def hit(geometry, row, x, y, z, dx, dy, dz):
    """Return where a ray, given in the primitive's own frame, enters it; MISS otherwise."""
    kind = geometry[row, 15]
    hx, hy, hz = geometry[row, 3], geometry[row, 4], geometry[row, 5]
    if kind == 0:
        enter, leave = box_span(hx, hy, hz, x, y, z, dx, dy, dz)
    elif kind == 1:
        enter, leave = cylinder_span(hx, hy, hz, geometry[row, 16], x, y, z, dx, dy, dz)
    else:
        enter, leave = ellipsoid_span(hx, hy, hz, x, y, z, dx, dy, dz)
    if enter > leave or enter < _NEAREST:
        return MISS
    return enter


@inlined
def local_normal(geometry, row, x, y, z):
    """Return the outward unit normal at a surface point, both in the primitive's own frame."""
    kind = geometry[row, 15]
    hx, hy, hz = geometry[row, 3], geometry[row, 4], geometry[row, 5]
    if kind == 0:
        return _box_normal(abs(x) - hx, abs(y) - hy, abs(z) - hz, x, y, z)
    if kind == 1:
        growth = geometry[row, 16] / hz
        radius = _ONE + growth * z
        off = (math.sqrt(x * x / (hx * hx) + y * y / (hy * hy)) - radius) * min(hx, hy)
        if abs(abs(z) - hz) < abs(off):
            return _ZERO, _ZERO, (_ONE if z > 0 else -_ONE)
        nx, ny, nz = x / (hx * hx), y / (hy * hy), -growth * radius
    else:
        nx, ny, nz = x / (hx * hx), y / (hy * hy), z / (hz * hz)
    scale = _ONE / math.sqrt(nx * nx + ny * ny + nz * nz)
    return nx * scale, ny * scale, nz * scale


@inlined
def _box_normal(over_x, over_y, over_z, x, y, z):
    if over_x >= over_y and over_x >= over_z:
        return (_ONE if x > 0 else -_ONE), _ZERO, _ZERO
    if over_y >= over_z:
        return _ZERO, (_ONE if y > 0 else -_ONE), _ZERO
    return _ZERO, _ZERO, (_ONE if z > 0 else -_ONE)
