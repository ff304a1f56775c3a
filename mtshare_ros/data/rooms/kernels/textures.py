"""
The colour of a surface point.

A material row is 16 float32 numbers: texture 0, colour 1:4, second colour 4:7, scale 7, gloss 8,
glow 9, seed 10:13, half sizes 13:16.
"""

import math

import numpy as np

from mtshare_ros.data.rooms.kernels.compiler import inlined, kernel

# a fixed seed, because the knots are part of the look of every room
_KNOTS = np.random.default_rng(20240229).random(64 * 64).astype(np.float32)
_TWO, _THREE = np.float32(2), np.float32(3)


@inlined
def hashed(x, y, z):
    """Return a hash of three integers as a number in [0, 1]."""
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


_FAR = 50
"""Shifts coordinates to positive numbers, so that truncation is rounding down."""


@kernel
def plain(u, v, seed):
    """Return a hardly visible mottling."""
    return 0.12 * layered_noise((u + seed) * 6, (v + seed) * 6, int(seed))


@kernel
def wood(u, v, half_u, half_v, scale, seed, shift, footprint):
    """Return grain, and boards with joints on large surfaces."""
    grain = layered_noise((u + seed) * 3 * scale, (v + shift) * 30 * scale, int(seed))
    board = math.floor((v + half_v) * 8 * scale)
    name = int(board) + 1000
    start = u + hashed(name, 3, 7) * 3
    tone = hashed(name, int(math.floor(start * 0.8 * scale)) + 1000, int(seed))
    joint = (v + half_v) * 8 * scale - board
    if half_u * half_v > 0.8 and joint < 0.04 and footprint < 0.02:
        return 1.2
    return 0.55 * grain + 0.45 * tone


@kernel
def tile(u, v, scale, seed, footprint):
    """Return square tiles with joints."""
    pitch = 3.2 * scale
    a, b = (u + _FAR) * pitch, (v + _FAR) * pitch
    share = 0.3 * hashed(int(a), int(b), int(seed))
    line = 0.035 + footprint * pitch
    if a - math.floor(a) < line or b - math.floor(b) < line:
        share = max(0.0, 1 - footprint * pitch * 2)
    return share + 0.25 * layered_noise(u * 8, v * 8, int(seed))


@kernel
def fabric(u, v, scale, seed):
    """Return a weave: fine over coarse noise."""
    fine = layered_noise((u + seed) * 25 * scale, (v + seed) * 25 * scale, int(seed))
    coarse = layered_noise((u + seed) * 2.5 * scale, (v + seed) * 2.5 * scale, int(seed) + 5)
    return 0.5 * fine + 0.5 * coarse


@kernel
def stripe(u, scale, footprint):
    """Return stripes along v."""
    pitch = 9.0 * scale
    phase = (u + _FAR) * pitch
    phase -= math.floor(phase)
    blur = max(footprint * pitch, 0.03)
    if blur >= 0.5:
        return 0.5
    return min(max((abs(phase - 0.5) - 0.25) / blur + 0.5, 0.0), 1.0)


@kernel
def brick(u, v, scale, seed, footprint):
    """Return bricks in running bond; the joints are lighter than either colour."""
    b = (v + _FAR) * 10 * scale
    a = (u + _FAR) * 4 * scale + 0.5 * (int(b) & 1)
    if a - math.floor(a) < 0.04 + footprint * 6 or b - math.floor(b) < 0.09 + footprint * 12:
        return -0.35
    tone = hashed(int(a), int(b), int(seed))
    return 0.2 + 0.5 * tone + 0.3 * layered_noise(u * 20, v * 20, 1)


@kernel
def marble(u, v, scale, seed):
    """Return veins."""
    bend = layered_noise((u + seed) * 2 * scale, (v + seed) * 2 * scale, int(seed))
    return abs(math.sin((u * 1.7 + v) * 2 * scale + 7 * bend))


@kernel
def panel(u, v, half_u, half_v, scale, seed, footprint):
    """Return doors or drawers with joints and a moulding; -9 stands for a handle."""
    columns = max(1, int(2 * half_u * scale / 0.5 + 0.5))
    rows = max(1, int(2 * half_v * scale / 0.5 + 0.5))
    a, b = (u + half_u) / (2 * half_u) * columns, (v + half_v) / (2 * half_v) * rows
    fa, fb = a - math.floor(a), b - math.floor(b)
    if (abs(fa - 0.85) * half_u / columns < 0.02 and abs(fb - 0.5) * half_v / rows < 0.05
            and footprint < 0.02):
        return -9.0
    edge = min(min(fa, 1 - fa) * 2 * half_u / columns, min(fb, 1 - fb) * 2 * half_v / rows)
    if edge < 0.008 + footprint * 0.5:
        return 1.5
    if 0.05 < edge < 0.06 + footprint * 0.5:
        return 0.8
    return 0.25 * layered_noise((u + seed) * 3, (v + seed) * 25, int(seed))


@kernel
def check(u, v, scale):
    """Return a chess board."""
    pitch = 3.0 * scale
    a, b = int(math.floor((u + _FAR) * pitch)), int(math.floor((v + _FAR) * pitch))
    return float((a + b) & 1) + 0.15 * layered_noise(u * 10, v * 10, 2)


@inlined
def mixed(first, second, share):
    """Blend two numbers, clipped to [0, 1]."""
    return min(max(first * (1 - share) + second * share, 0.0), 1.0)


@kernel
def picture(m, u, v):
    """Return the colour of an abstract picture; ``m`` is the material row."""
    seed = m[10]
    a = layered_noise(u * 5 + seed, v * 5 + m[11], int(seed))
    b = layered_noise(u * 5 + m[12], v * 5 + seed, int(seed) + 3)
    share = 0.5 + 0.5 * math.sin(9 * a + 3 * b)
    light = 0.6 + 0.8 * b
    red = (m[1] * share + m[4] * (1 - share)) * light + 0.35 * value_noise(
        u * 2.5 + seed, v * 2.5, 0)
    green = (m[2] * share + m[5] * (1 - share)) * light + 0.35 * value_noise(
        u * 2.5 + 9 + seed, v * 2.5, 1)
    blue = (m[3] * share + m[6] * (1 - share)) * light + 0.35 * value_noise(
        u * 2.5 + 18 + seed, v * 2.5, 2)
    return min(1.0, red), min(1.0, green), min(1.0, blue)


@kernel
def books(m, u, v, half_v):
    """Return the colour of a row of book spines of unequal height."""
    seed = int(m[10])
    place = (u + 50) * 28 * m[7]
    name = int(place)
    top = half_v * (0.35 + 0.62 * hashed(name, 2, seed))
    if v > top or place - math.floor(place) < 0.08:
        return 0.06, 0.06, 0.06
    if abs(v - top * 0.5) < 0.015:
        return 0.85, 0.85, 0.85
    tone = hashed(name, 1, seed)
    return (0.6 * (m[1] * tone + m[4] * (1 - tone)) + 0.4 * hashed(name, 5, seed),
            0.6 * (m[2] * tone + m[5] * (1 - tone)) + 0.4 * hashed(name, 6, seed),
            0.6 * (m[3] * tone + m[6] * (1 - tone)) + 0.4 * hashed(name, 7, seed))


@kernel
def screen(m, u, v, half_u, half_v, facing):
    """Return the colour of a screen: an image on the front and back, black frame elsewhere."""
    if abs(u) > half_u - 0.02 or abs(v) > half_v - 0.02 or not facing:
        return 0.04, 0.04, 0.045
    seed = m[10]
    light = layered_noise(u * 7 + seed, v * 7, int(seed))
    return (m[4] * light + 0.2 * value_noise(u * 20, v * 20, 3),
            m[5] * light + 0.2 * value_noise(u * 20 + 5, v * 20, 3),
            m[6] * light + 0.2 * value_noise(u * 20 + 10, v * 20, 3))


@kernel
def outdoor(m, u, v):
    """Return the colour of the view from a window: sky over hills."""
    seed = m[10]
    bend = layered_noise(u * 3 + seed, v * 3, int(seed))
    if v + 0.4 * (bend - 0.5) > 0:
        light = 0.8 + 0.3 * bend
        return m[1] * light, m[2] * light, m[3] * light
    light = 0.4 + 0.9 * bend
    return m[4] * light, m[5] * light, m[6] * light


@kernel
def mirror(m, u, v):
    """Return the colour of a mirror: a soft reflection crossed by slanting streaks of light."""
    seed = m[10]
    soft = layered_noise(u * 2.5 + seed, v * 1.5 + seed, int(seed))
    slant = (u + v) * 3.0 + seed
    streak = max(0.0, math.sin(slant) * math.sin(2.3 * slant) - 0.35)
    share = 0.15 + 0.9 * soft
    return (min(1.0, mixed(m[1], m[4], share) + 0.5 * streak),
            min(1.0, mixed(m[2], m[5], share) + 0.5 * streak),
            min(1.0, mixed(m[3], m[6], share) + 0.5 * streak))


@inlined
def surface_color(m, nx, ny, x, y, z, footprint):
    """Return red, green, blue in [0, 1] for a point and its normal in the primitive's frame."""
    if abs(nx) > 0.6 and abs(nx) >= abs(ny):
        u, v, half_u, half_v = y, z, m[14], m[15]
    elif abs(ny) > 0.6:
        u, v, half_u, half_v = x, z, m[13], m[15]
    else:
        u, v, half_u, half_v = x, y, m[13], m[14]
    texture = int(m[0])
    if texture == 8:
        return picture(m, u, v)
    if texture == 9:
        return books(m, u, v, half_v)
    if texture == 10:
        return screen(m, u, v, half_u, half_v, abs(ny) > 0.5)
    if texture == 11:
        return outdoor(m, u, v)
    if texture == 13:
        return mirror(m, u, v)
    share = _share(texture, m, u, v, half_u, half_v, footprint)
    if share == -9.0:
        return 0.6, 0.6, 0.62
    return mixed(m[1], m[4], share), mixed(m[2], m[5], share), mixed(m[3], m[6], share)


@inlined
def _share(texture, m, u, v, half_u, half_v, footprint):
    scale, seed = m[7], m[10]
    if texture == 1:
        return wood(u, v, half_u, half_v, scale, seed, m[11], footprint)
    if texture == 2:
        return tile(u, v, scale, seed, footprint)
    if texture == 3:
        return fabric(u, v, scale, seed)
    if texture == 4:
        return stripe(u, scale, footprint)
    if texture == 5:
        return brick(u, v, scale, seed, footprint)
    if texture == 6:
        return marble(u, v, scale, seed)
    if texture == 7:
        return panel(u, v, half_u, half_v, scale, seed, footprint)
    if texture == 12:
        return check(u, v, scale)
    return plain(u, v, seed)
