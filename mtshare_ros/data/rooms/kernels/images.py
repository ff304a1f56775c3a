"""Textures with colours of their own: pictures, books, screens, the view outside, mirrors."""

import math

from mtshare_ros.data.rooms.kernels.compiler import inlined, kernel
from mtshare_ros.data.rooms.kernels.noise import hashed, layered_noise, value_noise


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
