"""One map as the bytes of a file: PNG, or npy for floats without a scale that fits 16 bits."""

import io
from typing import Any
import zlib

import numpy as np

from mtshare_ros.errors import import_extra
from mtshare_ros.inference.map_outputs import OutputSpec

MILLIMETRES_PER_METRE = 1000
_LARGEST_MILLIMETRES = np.iinfo(np.uint16).max
_FLOATS = ('32FC1', '32FC3')


def ending_of(row: OutputSpec, *, npy: bool = False) -> str:
    """Return the ending of the files of a map; ``npy`` keeps floats as they are."""
    # a relative depth has no unit, so no scale would fit it into 16 bits
    return 'npy' if row.encoding in _FLOATS and (npy or row.relative) else 'png'


class MapEncoder:
    """
    Makes files of maps, which are read back without loss but for the rounding to PNG's integers.

    8-bit maps are PNG files of their values. Depth and normals are float32 arrays if ``npy`` is
    set, otherwise PNG files of lower precision: see ``depth_to_png`` and ``normals_to_png``.
    ``palette`` (256, 3) uint8 shows the class ids of the mask in colours.
    """

    def __init__(self, palette: np.ndarray | None = None, *, npy: bool = False) -> None:
        self._pillow = import_extra('PIL.Image', 'writing images', 'cli')
        self._palette = palette
        self._npy = npy

    def ending_of(self, row: OutputSpec) -> str:
        """Return the ending of the files of a map."""
        return ending_of(row, npy=self._npy)

    def encode(self, row: OutputSpec, values: np.ndarray) -> bytes:
        """Return a file of the map that a row of the outputs describes."""
        if self.ending_of(row) == 'npy':
            buffer = io.BytesIO()
            np.save(buffer, values)
            return buffer.getvalue()
        if row.encoding == '32FC1':
            return self.png(depth_to_png(values))
        if row.encoding == '32FC3':
            return self.png(normals_to_png(values))
        return self.png(values, self._palette if row.topic == 'semantic/mask' else None)

    def png(self, pixels: np.ndarray, palette: np.ndarray | None = None) -> bytes:
        """Return a PNG file of pixels (H, W) uint8 or uint16, or (H, W, 3) uint8."""
        picture: Any = self._pillow.fromarray(pixels)
        if palette is not None:
            picture.putpalette(palette.tobytes())
        buffer = io.BytesIO()
        # files are about as small as by the usual method, in a third of the time
        picture.save(buffer, 'png', compress_level=1, compress_type=zlib.Z_RLE)
        return buffer.getvalue()


def depth_to_png(depth: np.ndarray) -> np.ndarray:
    """Return (H, W) metres as uint16 millimetres: 0 is invalid, 65535 is 65.535 m or more."""
    millimetres = np.nan_to_num(depth, nan=0.0) * MILLIMETRES_PER_METRE
    return np.clip(millimetres, 0, _LARGEST_MILLIMETRES).round().astype(np.uint16)


def normals_to_png(normals: np.ndarray) -> np.ndarray:
    """Return (H, W, 3) unit vectors as uint8, x y z from -1..1 to 1..255: 0 0 0 is invalid."""
    levels = (np.nan_to_num(normals) * 127 + 128).round().astype(np.uint8)
    levels[~np.isfinite(normals).all(axis=-1)] = 0
    return levels
