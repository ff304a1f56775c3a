"""From raw outputs to maps for the asked tasks of a camera, on lists of fixed lengths."""

from dataclasses import dataclass
from typing import Mapping

import torch

from mtshare_ros.inference.geometric import GeometryState
from mtshare_ros.inference.maps import MapState
from mtshare_ros.inference.task_decoders import TaskDecoders
from mtshare_ros.pinhole import Pinhole
from mtshare_ros.sharing.static.network import Geometries

Raws = Mapping[str, torch.Tensor]
"""The network's raw outputs (1, C, h, w) float32 by task."""

Cells = Mapping[str, torch.Tensor | None]
"""By task the cells (m,) whose map may differ, entries repeated; None for all."""


@dataclass(frozen=True)
class StaticMaps:
    """The maps of a camera by task, and what tasks without weights are worked out into."""

    maps: dict[str, MapState]
    derived: dict[str, GeometryState]

    @property
    def nbytes(self) -> int:
        """Bytes of the buffers."""
        maps = sum(state.nbytes for state in self.maps.values())
        return maps + sum(state.nbytes for state in self.derived.values())


class StaticDecoder:
    """
    Decodes the ``asked`` tasks of one camera; ``camera`` is that of the maps.

    What it does depends on no data, so it can be captured.
    """

    def __init__(self, decoders: TaskDecoders, asked: tuple[str, ...], camera: Pinhole) -> None:
        self._decoders, self._camera = decoders, camera
        self._asked = asked
        self._derived = {
            task: item for task, item in decoders.derived.items() if task in asked}

    def derive(self, heads: Geometries) -> Geometries:
        """Return by task how far cells reach in what is worked out, given how far in heads."""
        return {task: item.geometry(heads) for task, item in self._derived.items()}

    def allocate(self, grid: tuple[int, int], device: torch.device) -> StaticMaps:
        """Return buffers for a (rows, columns) grid; all cells must be decoded first."""
        tasks = dict.fromkeys((*self._decoders.needed(self._asked), *self._asked))
        return StaticMaps(
            {task: self._decoders.maps[task].allocate(grid, device) for task in tasks},
            {task: item.allocate(grid, device) for task, item in self._derived.items()})

    def decode(self, state: StaticMaps, raws: Raws, cells: Cells) -> None:
        """Bring the maps up to the raw outputs."""
        for task, raw in raws.items():
            self._decoders.maps[task].update(state.maps[task], raw, cells[task])
        for task, item in self._derived.items():
            mask = None
            if 'semseg' in item.sources:
                mask = self._decoders.mask(state.maps['semseg'])
            item.work_out(state.derived[task], raws['depth'][0, 0], mask,
                          item.own_camera(self._camera), cells[task])
            self._decoders.maps[task].update(
                state.maps[task], state.derived[task].raw, cells[task])

    @property
    def sees_camera(self) -> bool:
        """Whether maps depend on the camera's calibration."""
        return bool(self._derived)

    def outputs(self, state: StaticMaps) -> dict[str, torch.Tensor]:
        """Return the asked maps by name in ``Prediction``, views (H, W) or (H, W, channels)."""
        found: dict[str, torch.Tensor] = {}
        for task in self._asked:
            found.update(self._decoders.maps[task].views(state.maps[task]))
        return found
