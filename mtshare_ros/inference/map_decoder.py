"""The maps of one task, kept up to date patch by patch."""

from dataclasses import dataclass
from typing import Protocol, Sequence

import numpy as np
import torch

from mtshare_ros.inference.postprocess import decode_values, fields_of
from mtshare_ros.sharing.enlargement import Enlargement, PatchWindows
from mtshare_ros.sharing.memory import overwrite, tensor_bytes
from mtshare_ros.sharing.pixel_maps import Level, strips_of_patches
from mtshare_ros.tasks import get_task

CHANNELS_AT_ONCE = {'cpu': 2560, 'cuda': 8192}
"""
Enlarged channels of patches that are decoded at once, by type of device.

On a CPU, so many stay in its caches: 64 patches of 40 classes. On a GPU, more keep it busy; with
patches of 16 pixels decoding takes at most 50 MB, where all patches of 1024x1024 would take 600.
"""


@dataclass(frozen=True)
class MapGeometry:
    """
    Where the patches of a grid are in a raw output and in its maps.

    ``level`` is that of the maps. ``windows`` are what patches read, ``strips`` what they write
    (see ``strips_of_patches``), ``every`` (N,) the numbers of all patches.
    """

    enlargement: Enlargement
    level: Level
    windows: PatchWindows
    strips: torch.Tensor
    every: torch.Tensor

    @classmethod
    def of(
        cls, enlargement: Enlargement, grid: tuple[int, int], device: torch.device
    ) -> 'MapGeometry':
        """Return the geometry of a (rows, columns) grid of patches."""
        level = Level(grid, enlargement.target)
        return cls(enlargement, level, enlargement.windows(grid, device),
                   strips_of_patches(level, device),
                   torch.arange(grid[0] * grid[1], device=device))


class PatchDecoder(Protocol):
    """
    Decodes patches (n,) of a raw output (1, C, h, w) into the rows of its maps, see ``Level``.

    ``encoding`` is that of the raw output; the maps are in the order of ``fields_of``.
    """

    def __call__(
        self, geometry: MapGeometry, encoding: str, raw: torch.Tensor, patches: torch.Tensor,
        maps: Sequence[torch.Tensor],
    ) -> None:
        """Overwrite the patches' pixels in the maps."""


def decode_patches(
    geometry: MapGeometry, encoding: str, raw: torch.Tensor, patches: torch.Tensor,
    maps: Sequence[torch.Tensor],
) -> None:
    """Decode by operators that every device has; see ``PatchDecoder``."""
    rows = raw[0].permute(1, 2, 0).flatten(0, 1).float()
    at_once = max(1, CHANNELS_AT_ONCE[rows.device.type] // rows.shape[1])
    for some in patches.split(at_once):
        values = geometry.enlargement.patches_at(rows, geometry.windows, some)
        strips = geometry.strips.index_select(0, some).view(-1)
        for rows_of_map, found in zip(maps, decode_values(values, encoding)):
            # the last row is that outside the map, see Level
            target = rows_of_map[:-1].view(-1, geometry.level.side * rows_of_map.shape[1])
            overwrite(target, strips, found.reshape(-1, target.shape[1]))


@dataclass(frozen=True)
class MapState:
    """The maps of one task of one camera by name in ``Prediction``, rows as in ``Level``."""

    geometry: MapGeometry
    maps: dict[str, torch.Tensor]

    @property
    def level(self) -> Level:
        """Where the pixels of a patch are in the rows."""
        return self.geometry.level

    @property
    def nbytes(self) -> int:
        """Bytes of the buffers."""
        return tensor_bytes(*self.maps.values())


class MapDecoder:
    """
    Decodes the patches of one task's raw output that changed; the result equals ``decode``.

    ``side`` is the number of pixels of the raw output along a side of a patch, ``patch_size`` that
    of the maps; ``encoding`` is that of the raw output, empty for the usual one of the task. All
    tables are part of the state, so that a CUDA graph can hold ``dense`` and ``update``.
    """

    def __init__(
        self, task: str, side: int, patch_size: int, encoding: str = '',
        decode: PatchDecoder = decode_patches,
    ) -> None:
        self._encoding = encoding or get_task(task).encoding
        self._enlargement = Enlargement(side, patch_size)
        self._fields = fields_of(task, encoding)
        self._decode = decode

    def allocate(self, grid: tuple[int, int], device: torch.device) -> MapState:
        """Return the state of one camera for a grid of (rows, columns) patches."""
        geometry = MapGeometry.of(self._enlargement, grid, device)
        return MapState(geometry, {
            field.name: geometry.level.allocate(field.channels, field.dtype, device)
            for field in self._fields
        })

    def dense(self, state: MapState, raw: torch.Tensor) -> None:
        """Decode the whole raw output (1, C, h, w)."""
        self.update(state, raw, None)

    def update(self, state: MapState, raw: torch.Tensor, patches: torch.Tensor | None) -> None:
        """
        Decode patches (n,) of the raw output (1, C, h, w), None for all.

        They must be all patches in which the output may differ once it is enlarged to the input's
        size, which mixes pixels of neighbouring patches: see ``HeadPlan.reached``. A patch may be
        listed repeatedly.
        """
        patches = state.geometry.every if patches is None else patches
        if patches.shape[0]:
            maps = [state.maps[field.name] for field in self._fields]
            self._decode(state.geometry, self._encoding, raw, patches, maps)

    def views(self, state: MapState) -> dict[str, torch.Tensor]:
        """Return views (H, W) or (H, W, channels) of the maps, which the next frame overwrites."""
        height, width = state.level.size
        return {
            field.name: state.maps[field.name][:-1].view(
                (height, width) if field.channels == 1 else (height, width, field.channels))
            for field in self._fields}

    def maps(self, state: MapState) -> dict[str, np.ndarray]:
        """Return copies of the maps, (H, W) or (H, W, channels), which belong to the caller."""
        # not cpu(), which on a CPU returns the view itself
        return {name: torch.empty(view.shape, dtype=view.dtype).copy_(view).numpy()
                for name, view in self.views(state).items()}
