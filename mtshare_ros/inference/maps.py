"""The maps of one task, kept up to date cell by cell."""

from dataclasses import dataclass

import numpy as np
import torch

from mtshare_ros.inference.cell_decoding import CellDecoder, decode_cells, MapGeometry
from mtshare_ros.inference.postprocess import fields_of
from mtshare_ros.sharing.enlargement import Enlargement
from mtshare_ros.sharing.level import Level
from mtshare_ros.sharing.memory import tensor_bytes
from mtshare_ros.tasks import get_task


@dataclass(frozen=True)
class MapState:
    """The maps of one task of one camera by name in ``Prediction``, rows as in ``Level``."""

    geometry: MapGeometry
    maps: dict[str, torch.Tensor]

    @property
    def level(self) -> Level:
        """Where the pixels of a cell stand in the rows."""
        return self.geometry.level

    @property
    def nbytes(self) -> int:
        """Bytes the buffers take."""
        return tensor_bytes(*self.maps.values())


class MapDecoder:
    """
    Decodes the raw output of one task; equal to ``decode``, for the cells that changed.

    ``side`` are the pixels of the raw output along a side of a cell, ``patch_size`` those of maps;
    ``encoding`` is that of the raw output, empty for the usual one of the task. Everything that is
    looked up is part of the state, so that a CUDA graph can hold ``dense`` and ``update``.
    """

    def __init__(
        self, task: str, side: int, patch_size: int, encoding: str = '',
        decode: CellDecoder = decode_cells,
    ) -> None:
        self._encoding = encoding or get_task(task).encoding
        self._enlargement = Enlargement(side, patch_size)
        self._fields = fields_of(task, encoding)
        self._decode = decode

    def allocate(self, grid: tuple[int, int], device: torch.device) -> MapState:
        """Return the state of one camera for a grid of (rows, columns) cells."""
        geometry = MapGeometry.of(self._enlargement, grid, device)
        return MapState(geometry, {
            field.name: geometry.level.allocate(field.channels, field.dtype, device)
            for field in self._fields
        })

    def dense(self, state: MapState, raw: torch.Tensor) -> None:
        """Decode the whole raw output (1, C, h, w)."""
        self.update(state, raw, None)

    def update(self, state: MapState, raw: torch.Tensor, cells: torch.Tensor | None) -> None:
        """
        Decode cells (n,) of the raw output (1, C, h, w), None for all.

        A cell may be named repeatedly. They are all in which the output, enlarged to the input's
        size, may differ, as ``HeadPlan.reached`` names them: enlarging mixes pixels of
        neighbouring cells.
        """
        cells = state.geometry.every if cells is None else cells
        if cells.shape[0]:
            maps = [state.maps[field.name] for field in self._fields]
            self._decode(state.geometry, self._encoding, raw, cells, maps)

    def views(self, state: MapState) -> dict[str, torch.Tensor]:
        """Return the maps, (H, W) or (H, W, channels), views that the next frame changes."""
        height, width = state.level.size
        return {
            field.name: state.maps[field.name][:-1].view(
                (height, width) if field.channels == 1 else (height, width, field.channels))
            for field in self._fields}

    def maps(self, state: MapState) -> dict[str, np.ndarray]:
        """Return copies of the maps, (H, W) or (H, W, channels), which belong to the caller."""
        return {name: torch.empty(view.shape, dtype=view.dtype).copy_(view).numpy()
                for name, view in self.views(state).items()}
