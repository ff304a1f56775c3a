"""
Textures that blend two colours: each function returns the share of the second one.

``u``, ``v`` are metres on the surface, ``half_u``, ``half_v`` its half sizes, ``scale`` the
frequency, ``seed`` the texture's own, ``footprint`` the size of a pixel on the surface in metres
(it fades detail that would alias).
"""

import math

from mtshare_ros.data.rooms.kernels.compiler import kernel
from mtshare_ros.data.rooms.kernels.noise import hashed, layered_noise

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
