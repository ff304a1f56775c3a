"""The kernels of one frame, in the order in which they run."""

from mtshare_ros.data.rooms.kernels.shading import add_grain, shade, surface_normals
from mtshare_ros.data.rooms.kernels.shadows import ask_lights, CELLS, fill_cells, LAMP_RADIUS
from mtshare_ros.data.rooms.kernels.visibility import (
    screen_rectangles,
    see_primitives,
    see_shell,
    smooth_edges,
)

__all__ = [
    'add_grain', 'ask_lights', 'CELLS', 'fill_cells', 'LAMP_RADIUS', 'screen_rectangles',
    'see_primitives', 'see_shell', 'shade', 'smooth_edges', 'surface_normals',
]
