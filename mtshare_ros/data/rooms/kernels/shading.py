"""Normals, colours and fine texture of the visible surfaces."""

import math

import numpy as np

from mtshare_ros.data.rooms.kernels.compiler import inlined, kernel
from mtshare_ros.data.rooms.kernels.intersect import local_normal
from mtshare_ros.data.rooms.kernels.textures import hashed, surface_color

_HALF, _ONE = np.float32(0.5), np.float32(1)
_CORNER_REACH = 0.7


@inlined
def _facing(nx, ny, nz, a, b):
    """Turn a normal that rounding has tipped away from the ray (a, b, 1) back to its rim."""
    away = nx * a + ny * b + nz
    if away <= 0:
        return nx, ny, nz
    share = away / (a * a + b * b + _ONE)
    nx, ny, nz = nx - share * a, ny - share * b, nz - share
    scale = _ONE / math.sqrt(nx * nx + ny * ny + nz * nz)
    return nx * scale, ny * scale, nz * scale


@kernel
def surface_normals(depth, seen, geometry, axes, rotation, focal, normals):
    """Fill ``normals`` (H, W, 3): unit, optical frame."""
    height, width = depth.shape
    for y in range(height):
        b = (np.float32(y) + _HALF - np.float32(height) * _HALF) / focal
        for x in range(width):
            a = (np.float32(x) + _HALF - np.float32(width) * _HALF) / focal
            row, t = seen[y, x], depth[y, x]
            m, g = axes[row], geometry[row]
            lx = g[17] + t * (m[0, 0] * a + m[0, 1] * b + m[0, 2])
            ly = g[18] + t * (m[1, 0] * a + m[1, 1] * b + m[1, 2])
            lz = g[19] + t * (m[2, 0] * a + m[2, 1] * b + m[2, 2])
            nx, ny, nz = local_normal(geometry, row, lx, ly, lz)
            cx = m[0, 0] * nx + m[1, 0] * ny + m[2, 0] * nz
            cy = m[0, 1] * nx + m[1, 1] * ny + m[2, 1] * nz
            cz = m[0, 2] * nx + m[1, 2] * ny + m[2, 2] * nz
            normals[y, x, 0], normals[y, x, 1], normals[y, x, 2] = _facing(cx, cy, cz, a, b)


@inlined
def _corner(distance, facing):
    """Return how much ambient light reaches a point near a face of the room."""
    if facing > 0.7 or distance > _CORNER_REACH:
        return 1.0
    share = 1 - max(distance, 0.0) / _CORNER_REACH
    return 1 - 0.38 * share * share * share


@inlined
def _ambient(size, px, py, pz, wx, wy, wz):
    """Return the share of ambient light: corners are darker, faces that look up lighter."""
    return (_corner(px, wx) * _corner(size[0] - px, -wx) * _corner(py, wy)
            * _corner(size[1] - py, -wy) * _corner(pz, wz) * _corner(size[2] - pz, -wz)
            * (0.8 + 0.2 * wz))


@inlined
def _neighbourhood(asked, seen, x, y):
    """Return the sum of the light counters over the 3x3 neighbours of the same surface."""
    height, width = seen.shape
    own = seen[y, x]
    total = np.uint32(0)
    for v in range(max(y - 1, 0), min(y + 2, height)):
        for u in range(max(x - 1, 0), min(x + 2, width)):
            total += asked[v, u] if seen[v, u] == own else np.uint32(0)
    return total


@inlined
def _average_light(counters, light, light_count):
    """
    Return how much of a light reaches a pixel: the mean over its neighbourhood.

    Where none of the neighbours asked this light, the mean over all lights stands in.
    """
    asked = (counters >> (16 + 4 * light)) & 15
    if asked > 0:
        return ((counters >> (4 * light)) & 15) / asked
    total = lit = 0
    for other in range(light_count):
        total += (counters >> (16 + 4 * other)) & 15
        lit += (counters >> (4 * other)) & 15
    return lit / total if total > 0 else 1.0


@inlined
def _highlight(lx, ly, lz, dx, dy, dz, wx, wy, wz):
    """Return a Blinn-Phong highlight of exponent 32."""
    hx, hy, hz = lx - dx, ly - dy, lz - dz
    cosine = (hx * wx + hy * wy + hz * wz) / math.sqrt(hx * hx + hy * hy + hz * hz)
    share = max(0.0, cosine)
    for _ in range(5):
        share = share * share
    return share


@inlined
def _lit(m, ambient, ambient_share, lights, counters, px, py, pz, wx, wy, wz, dx, dy, dz):
    """Return the irradiance (red, green, blue) and the highlight at a surface point."""
    red = ambient[0] * ambient_share + m[9]
    green = ambient[1] * ambient_share + m[9]
    blue = ambient[2] * ambient_share * 0.98 + m[9]
    shine = 0.0
    for light in range(lights.shape[0]):
        lx, ly, lz = lights[light, 0] - px, lights[light, 1] - py, lights[light, 2] - pz
        square = lx * lx + ly * ly + lz * lz
        distance = math.sqrt(square)
        lx, ly, lz = lx / distance, ly / distance, lz / distance
        cosine = lx * wx + ly * wy + lz * wz
        if cosine <= 0:
            continue
        share = _average_light(counters, light, lights.shape[0])
        if share == 0.0:
            continue
        level = share * cosine * 2.2 / (1.0 + 0.55 * square)
        red += lights[light, 3] * level
        green += lights[light, 4] * level
        blue += lights[light, 5] * level
        if m[8] > 0.0:
            shine += share * m[8] * 0.8 * _highlight(lx, ly, lz, dx, dy, dz, wx, wy, wz)
    return red, green, blue, shine


@kernel
def shade(depth, seen, normals, asked, geometry, materials, axes, position, rotation, focal,
          size, lights, ambient, radiance):
    """Fill ``radiance`` (H, W, 3): linear colour of every pixel's centre."""
    height, width = depth.shape
    for y in range(height):
        b = (np.float32(y) + _HALF - np.float32(height) * _HALF) / focal
        for x in range(width):
            a = (np.float32(x) + _HALF - np.float32(width) * _HALF) / focal
            row, t = seen[y, x], depth[y, x]
            m, g, mat = axes[row], geometry[row], materials[row]
            lx = g[17] + t * (m[0, 0] * a + m[0, 1] * b + m[0, 2])
            ly = g[18] + t * (m[1, 0] * a + m[1, 1] * b + m[1, 2])
            lz = g[19] + t * (m[2, 0] * a + m[2, 1] * b + m[2, 2])
            nx, ny, nz = normals[y, x, 0], normals[y, x, 1], normals[y, x, 2]
            red, green, blue = surface_color(
                mat, m[0, 0] * nx + m[0, 1] * ny + m[0, 2] * nz,
                m[1, 0] * nx + m[1, 1] * ny + m[1, 2] * nz, lx, ly, lz, t / focal)
            dx = rotation[0, 0] * a + rotation[0, 1] * b + rotation[0, 2]
            dy = rotation[1, 0] * a + rotation[1, 1] * b + rotation[1, 2]
            dz = rotation[2, 0] * a + rotation[2, 1] * b + rotation[2, 2]
            wx = rotation[0, 0] * nx + rotation[0, 1] * ny + rotation[0, 2] * nz
            wy = rotation[1, 0] * nx + rotation[1, 1] * ny + rotation[1, 2] * nz
            wz = rotation[2, 0] * nx + rotation[2, 1] * ny + rotation[2, 2] * nz
            px, py, pz = position[0] + t * dx, position[1] + t * dy, position[2] + t * dz
            unit = 1.0 / math.sqrt(dx * dx + dy * dy + dz * dz)
            r, g_, b_, shine = _lit(
                mat, ambient, _ambient(size, px, py, pz, wx, wy, wz), lights,
                int(_neighbourhood(asked, seen, x, y)), px, py, pz, wx, wy, wz,
                dx * unit, dy * unit, dz * unit)
            radiance[y, x, 0] = red * r + shine
            radiance[y, x, 1] = green * g_ + shine
            radiance[y, x, 2] = blue * b_ + shine


_TWO, _THREE = np.float32(2), np.float32(3)
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
