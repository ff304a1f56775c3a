"""
Which lights each pixel sees.

Every light keeps, for each cell of an octahedral map of directions, the primitives that can stand
in the way. A pixel asks its lights, at one of nine points of the lamp in turn;
each 3x3 neighbourhood holds all nine, so that averaging over it gives a smooth half-shadow
without grain and without flicker.
"""

import math

import numpy as np

from mtshare_ros.data.rooms.kernels.compiler import inlined, kernel
from mtshare_ros.data.rooms.kernels.intersect import box_span, hit, MISS

CELLS = 64
LAMP_RADIUS = 0.08
_ZERO, _ONE, _HALF = np.float32(0), np.float32(1), np.float32(0.5)
# metres above the surface at which rays start, so that rounding does not put them below it
_LIFT = np.float32(2e-3)


@inlined
def octahedral_cell(x, y, z):
    """Return the cell of a direction in a map of CELLS x CELLS."""
    total = abs(x) + abs(y) + abs(z)
    u, v = x / total, y / total
    if z < 0:
        u, v = ((_ONE - abs(v)) * (_ONE if u >= 0 else -_ONE),
                (_ONE - abs(u)) * (_ONE if v >= 0 else -_ONE))
    column = min(max(int((u * _HALF + _HALF) * CELLS), 0), CELLS - 1)
    line = min(max(int((v * _HALF + _HALF) * CELLS), 0), CELLS - 1)
    return line * CELLS + column


@kernel
def fill_cells(light, directions, cosines, sines, geometry, radii, rows, lists, counts, near):
    """
    List, for every cell (K, 3) of a light, the given rows whose shadow may fall into it.

    ``cosines``, ``sines`` (K,): of the cell's angular radius. Appends to ``lists`` and ``near``
    (K, P) at ``counts`` (K,); ``near`` is the least distance of the primitive from the light.
    """
    for row in rows:
        px, py, pz = (geometry[row, 0] - light[0], geometry[row, 1] - light[1],
                      geometry[row, 2] - light[2])
        distance = math.sqrt(px * px + py * py + pz * pz)
        radius = radii[row] + LAMP_RADIUS * np.float32(1.05)
        sine = min(radius / distance, _ONE)
        cosine = math.sqrt(_ONE - sine * sine)
        px, py, pz = px / distance, py / distance, pz / distance
        for cell in range(directions.shape[0]):
            along = (px * directions[cell, 0] + py * directions[cell, 1]
                     + pz * directions[cell, 2])
            if along < cosines[cell] * cosine - sines[cell] * sine and sine < _ONE:
                continue
            if _meets_box(geometry, row, light, directions[cell], cosines[cell],
                          distance + radius):
                lists[cell, counts[cell]] = row
                near[cell, counts[cell]] = max(distance - radius, 0.0)
                counts[cell] += 1


@kernel
def _meets_box(geometry, row, light, direction, cosine, far):
    """Tell whether a cell's axis meets the box, grown by what the cell is wide there."""
    g = geometry[row]
    grown = far * math.sqrt(1 - cosine * cosine) / cosine + LAMP_RADIUS * 1.05
    wide = 1 + abs(g[16])
    ox, oy, oz = light[0] - g[0], light[1] - g[1], light[2] - g[2]
    dx, dy, dz = direction[0], direction[1], direction[2]
    enter, leave = box_span(
        g[3] * wide + grown, g[4] * wide + grown, g[5] + grown,
        g[6] * ox + g[9] * oy + g[12] * oz, g[7] * ox + g[10] * oy + g[13] * oz,
        g[8] * ox + g[11] * oy + g[14] * oz, g[6] * dx + g[9] * dy + g[12] * dz,
        g[7] * dx + g[10] * dy + g[13] * dz, g[8] * dx + g[11] * dy + g[14] * dz)
    return enter <= leave and leave > 0


@inlined
def _blocked(geometry, radii, own, lists, counts, near, light, cell, px, py, pz, dx, dy, dz,
             limit):
    """Tell whether a listed primitive other than the own one stands between point and light."""
    for place in range(counts[light, cell]):
        row = lists[light, cell, place]
        if (near[light, cell, place] < limit and row != own
                and _reached(geometry, radii, row, px, py, pz, dx, dy, dz) < limit):
            return True
    return False


@inlined
def _reached(geometry, radii, row, px, py, pz, dx, dy, dz):
    """Return where a ray in the world frame enters a primitive; MISS otherwise."""
    ex, ey, ez = px - geometry[row, 0], py - geometry[row, 1], pz - geometry[row, 2]
    along = ex * dx + ey * dy + ez * dz
    if ex * ex + ey * ey + ez * ez - along * along > radii[row] * radii[row]:
        return MISS
    return hit(
        geometry, row,
        geometry[row, 6] * ex + geometry[row, 9] * ey + geometry[row, 12] * ez,
        geometry[row, 7] * ex + geometry[row, 10] * ey + geometry[row, 13] * ez,
        geometry[row, 8] * ex + geometry[row, 11] * ey + geometry[row, 14] * ez,
        geometry[row, 6] * dx + geometry[row, 9] * dy + geometry[row, 12] * dz,
        geometry[row, 7] * dx + geometry[row, 10] * dy + geometry[row, 13] * dz,
        geometry[row, 8] * dx + geometry[row, 11] * dy + geometry[row, 14] * dz)


@kernel
def ask_lights(depth, seen, normals, geometry, radii, position, rotation, focal, lights, offsets,
               lists, counts, near, every_light, asked):
    """
    Fill ``asked`` (H, W) uint32: 4 bits a light for 'it shines', above them 4 for 'it was asked'.

    Eight counters of four bits: the sum over nine pixels is taken in one addition each.
    ``lists``, ``counts``, ``near`` are the shadow lists of all lights; with ``every_light`` false
    each pixel asks one light, in turn.
    """
    height, width = depth.shape
    count = lights.shape[0]
    for y in range(height):
        b = (np.float32(y) + _HALF - np.float32(height) * _HALF) / focal
        turn, column = y % count, 0
        for x in range(width):
            a = (np.float32(x) + _HALF - np.float32(width) * _HALF) / focal
            t = depth[y, x]
            px = position[0] + t * (rotation[0, 0] * a + rotation[0, 1] * b + rotation[0, 2])
            py = position[1] + t * (rotation[1, 0] * a + rotation[1, 1] * b + rotation[1, 2])
            pz = position[2] + t * (rotation[2, 0] * a + rotation[2, 1] * b + rotation[2, 2])
            nx, ny, nz = normals[y, x, 0], normals[y, x, 1], normals[y, x, 2]
            wx = rotation[0, 0] * nx + rotation[0, 1] * ny + rotation[0, 2] * nz
            wy = rotation[1, 0] * nx + rotation[1, 1] * ny + rotation[1, 2] * nz
            wz = rotation[2, 0] * nx + rotation[2, 1] * ny + rotation[2, 2] * nz
            bits = np.uint32(0)
            for light in range(0 if every_light else turn, count if every_light else turn + 1):
                bits |= _ask(geometry, radii, seen[y, x], px + wx * _LIFT, py + wy * _LIFT,
                             pz + wz * _LIFT, wx, wy, wz, lights, offsets, column * 3 + y % 3,
                             lists, counts, near, light)
            asked[y, x] = bits
            turn = turn + 1 if turn + 1 < count else 0
            column = column + 1 if column < 2 else 0


@inlined
def _ask(geometry, radii, own, px, py, pz, wx, wy, wz, lights, offsets, point, lists, counts,
         near, light):
    """Return the bits of one light: nothing where the surface is turned away from it."""
    dx = lights[light, 0] + offsets[point, 0] - px
    dy = lights[light, 1] + offsets[point, 1] - py
    dz = lights[light, 2] - pz
    if dx * wx + dy * wy + dz * wz <= 0:
        return np.uint32(0)
    distance = math.sqrt(dx * dx + dy * dy + dz * dz)
    dx, dy, dz = dx / distance, dy / distance, dz / distance
    cell = octahedral_cell(px - lights[light, 0], py - lights[light, 1], pz - lights[light, 2])
    limit = distance - np.float32(0.02)
    asked = np.uint32(0x10000) << np.uint32(4 * light)
    if _blocked(geometry, radii, own, lists, counts, near, light, cell, px, py, pz, dx, dy, dz,
                limit):
        return asked
    return asked | (np.uint32(1) << np.uint32(4 * light))
