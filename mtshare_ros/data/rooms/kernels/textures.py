"""
The colour of a surface point.

A material row is 16 float32 numbers: texture 0, colour 1:4, second colour 4:7, scale 7, gloss 8,
glow 9, seed 10:13, half sizes 13:16.
"""

from mtshare_ros.data.rooms.kernels import images, patterns
from mtshare_ros.data.rooms.kernels.compiler import inlined
from mtshare_ros.data.rooms.kernels.images import mixed


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
        return images.picture(m, u, v)
    if texture == 9:
        return images.books(m, u, v, half_v)
    if texture == 10:
        return images.screen(m, u, v, half_u, half_v, abs(ny) > 0.5)
    if texture == 11:
        return images.outdoor(m, u, v)
    if texture == 13:
        return images.mirror(m, u, v)
    share = _share(texture, m, u, v, half_u, half_v, footprint)
    if share == -9.0:
        return 0.6, 0.6, 0.62
    return mixed(m[1], m[4], share), mixed(m[2], m[5], share), mixed(m[3], m[6], share)


@inlined
def _share(texture, m, u, v, half_u, half_v, footprint):
    scale, seed = m[7], m[10]
    if texture == 1:
        return patterns.wood(u, v, half_u, half_v, scale, seed, m[11], footprint)
    if texture == 2:
        return patterns.tile(u, v, scale, seed, footprint)
    if texture == 3:
        return patterns.fabric(u, v, scale, seed)
    if texture == 4:
        return patterns.stripe(u, scale, footprint)
    if texture == 5:
        return patterns.brick(u, v, scale, seed, footprint)
    if texture == 6:
        return patterns.marble(u, v, scale, seed)
    if texture == 7:
        return patterns.panel(u, v, half_u, half_v, scale, seed, footprint)
    if texture == 12:
        return patterns.check(u, v, scale)
    return patterns.plain(u, v, seed)
