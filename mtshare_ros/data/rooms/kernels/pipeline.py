"""The kernels of one frame, in the order in which they run."""

from mtshare_ros.data.rooms.kernels.antialias import smooth_edges
from mtshare_ros.data.rooms.kernels.grain import add_grain
from mtshare_ros.data.rooms.kernels.shading import shade, surface_normals
from mtshare_ros.data.rooms.kernels.shadows import ask_lights, CELLS, fill_cells, LAMP_RADIUS
from mtshare_ros.data.rooms.kernels.visibility import (
    screen_rectangles,
    see_primitives,
    see_shell,
)

__all__ = [
    'add_grain', 'ask_lights', 'CELLS', 'fill_cells', 'LAMP_RADIUS', 'screen_rectangles',
    'see_primitives', 'see_shell', 'shade', 'smooth_edges', 'surface_normals',
]
