"""The maps of one task, kept up to date cell by cell."""

from dataclasses import dataclass

import numpy as np
import torch

from mtshare_ros.inference.postprocess import decode_pixels, fields_of
from mtshare_ros.sharing.enlargement import Enlargement
from mtshare_ros.sharing.level import Level
from mtshare_ros.sharing.memory import tensor_bytes

CHANNELS_AT_ONCE = {'cpu': 2560, 'cuda': 8192}
"""
Enlarged channels of cells that are decoded in one go, by type of device.

On a CPU so many stay in its caches: 64 cells of 40 classes. On a GPU more keep all of it busy, and
for patches of 16 pixels decoding takes 50 MB at most; all cells of 1024 x 1024 would take 600.
"""


@dataclass(frozen=True)
class MapState:
    """The maps of one task of one camera by name in ``Prediction``, rows as in ``Level``."""

    level: Level
    maps: dict[str, torch.Tensor]

    @property
    def nbytes(self) -> int:
        """Bytes the buffers take."""
        return tensor_bytes(*self.maps.values())


class MapDecoder:
    """
    Decodes the raw output of one task; equal to ``decode``, for the cells that changed.

    ``side`` are the pixels of the raw output along a side of a cell, ``patch_size`` those of maps;
    ``encoding`` is that of the raw output, empty for the usual one of the task.
    """

    def __init__(self, task: str, side: int, patch_size: int, encoding: str = '') -> None:
        self._task = task
        self._encoding = encoding
        self._enlargement = Enlargement(side, patch_size)
        self._fields = fields_of(task, encoding)

    def allocate(self, grid: tuple[int, int], device: torch.device) -> MapState:
        """Return the state of one camera for a grid of (rows, columns) cells."""
        level = Level(grid, self._enlargement.target)
        return MapState(level, {
            field.name: level.allocate(field.channels, field.dtype, device)
            for field in self._fields
        })

    def dense(self, state: MapState, raw: torch.Tensor) -> None:
        """Decode the whole raw output (1, C, h, w)."""
        rows, columns = state.level.grid
        self.update(state, raw, torch.arange(rows * columns, device=raw.device))

    def update(self, state: MapState, raw: torch.Tensor, cells: torch.Tensor) -> None:
        """
        Decode cells (n,) of the raw output (1, C, h, w).

        They are all in which the output, enlarged to the input's size, may differ, as
        ``HeadPlan.reached`` names them: enlarging mixes pixels of neighbouring cells.
        """
        if cells.shape[0] == 0:
            return
        rows = raw[0].permute(1, 2, 0).flatten(0, 1).float()
        for some in cells.split(_cells_at_once(rows)):
            values = self._enlargement.cells(rows, state.level.grid, some)
            maps = decode_pixels(self._task, values, self._encoding)
            for field in self._fields:
                pixels = maps[field.name].reshape(-1, field.channels)
                state.level.write(state.maps[field.name], some, pixels)

    def maps(self, state: MapState) -> dict[str, np.ndarray]:
        """Return copies of the maps, (H, W) or (H, W, channels), which belong to the caller."""
        return {
            field.name: self._copy(state, field.name, field.channels) for field in self._fields
        }

    def _copy(self, state: MapState, name: str, channels: int) -> np.ndarray:
        height, width = state.level.size
        shape = (height, width) if channels == 1 else (height, width, channels)
        fresh = torch.empty(shape, dtype=state.maps[name].dtype)
        return fresh.copy_(state.maps[name][:-1].view(shape)).numpy()


def _cells_at_once(raw: torch.Tensor) -> int:
    """Return how many cells of a raw output (pixels, C) to decode in one go."""
    return max(1, CHANNELS_AT_ONCE[raw.device.type] // raw.shape[1])
