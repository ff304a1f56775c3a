"""Maps without weights: normals and edges, worked out from a depth head's raw output."""

from dataclasses import dataclass
import math
from typing import Mapping

import torch

from mtshare_ros.errors import ModelError
from mtshare_ros.inference.geometry import Pinhole
from mtshare_ros.inference.steps import edge_logits
from mtshare_ros.inference.surface import find_normals, Rays
from mtshare_ros.inference.tiles import Tiles
from mtshare_ros.sharing.head_plan import around
from mtshare_ros.sharing.level import Level
from mtshare_ros.sharing.memory import tensor_bytes

CHANNELS = {'normals': 3, 'edge': 1}
"""The tasks that can be worked out, and the channels of their raw outputs."""

RELATIVE = 'disparity'
"""The encoding of depth that has neither scale nor shift."""

_SHALLOW = 0.1
"""Disparities below this share of their mean count as that: far away there is but noise."""

_FARTHEST = 1e-9
"""Disparity of what is infinitely far, which is known all the same."""

Changes = Mapping[str, torch.Tensor | None]
"""By task the cells (m,) whose raw output may differ from the last frame's, None for all."""


@dataclass(frozen=True)
class Sources:
    """
    What one frame of a camera is worked out from.

    ``depth`` (h, w) is the raw depth, ``mask`` (H, W) the classes, None where there are none.
    ``camera`` is that of the maps, ``frame`` the number of the frame.
    """

    depth: torch.Tensor
    mask: torch.Tensor | None
    camera: Pinhole
    changes: Changes
    frame: int


@dataclass
class GeometryState:
    """
    A task's raw output of one camera, as rows (see ``Level``), and what it was worked out with.

    ``floor`` is the least inverse depth that a step is measured by.
    """

    level: Level
    output: torch.Tensor
    frame: int = 0
    camera: Pinhole | None = None
    floor: float = 0.0

    @property
    def raw(self) -> torch.Tensor:
        """The raw output as a view (1, C, h, w)."""
        return self.level.image(self.output)

    @property
    def nbytes(self) -> int:
        """Bytes the buffers take."""
        return tensor_bytes(self.output)


class GeometryDecoder:
    """
    Works out a task's raw output from the raw depth, for the cells whose sources changed.

    ``encoding`` is that of the depth head, ``side`` the pixels of its output along a side of a
    cell of ``patch_size``. ``labelled`` says whether the model has a semantic mask, whose steps
    are edges, too. Raises ModelError for a task that such a depth does not tell.
    """

    def __init__(
        self, task: str, encoding: str, side: int, patch_size: int, *, labelled: bool
    ) -> None:
        self._task = task
        self._encoding = encoding
        self._side, self._patch_size = side, patch_size
        self._radius = max(1, side // 2)
        self.sources = ('semseg', 'depth') if task == 'edge' and labelled else ('depth',)
        if task not in CHANNELS or (task == 'normals' and encoding == RELATIVE):
            raise ModelError(_why_not(task))

    @property
    def border(self) -> int:
        """How many cells round one that changed may change with it."""
        return math.ceil(self._reach / self._side)

    @property
    def _reach(self) -> int:
        """How many pixels round one decide about it."""
        return 2 * self._radius + (1 if self._task == 'edge' else 0)

    def allocate(self, grid: tuple[int, int], device: torch.device) -> GeometryState:
        """Return the state of one camera for a grid of (rows, columns) cells."""
        level = Level(grid, self._side)
        return GeometryState(level, level.allocate(CHANNELS[self._task], torch.float32, device))

    def update(self, state: GeometryState, sources: Sources) -> torch.Tensor | None:
        """Bring the raw output up to a frame; return the cells (m,) that may differ, or None."""
        cells = self._dirty(state, sources)
        state.frame, state.camera = sources.frame, sources.camera
        if cells is None and self._encoding == RELATIVE:
            state.floor = _SHALLOW * float(sources.depth.nan_to_num(0, 0, 0).clamp(min=0).mean())
        if cells is None or self._covers_most(state.level, cells):
            tiles = Tiles.whole(state.level, self._reach, sources.depth.device)
            state.raw.copy_(self._work_out(tiles, sources, state.floor))
        elif cells.shape[0]:
            tiles = Tiles.of_cells(state.level, cells, self._reach)
            values = self._work_out(tiles, sources, state.floor)
            state.level.write(state.output, cells, values.permute(0, 2, 3, 1))
        return cells

    def _dirty(self, state: GeometryState, sources: Sources) -> torch.Tensor | None:
        """Return the cells to work out, None for all."""
        listed = [sources.changes[task] for task in self.sources]
        known = [cells for cells in listed if cells is not None]
        missed = state.frame != sources.frame - 1
        if missed or state.camera != sources.camera or len(known) < len(listed):
            return None
        return around(Level(state.level.grid, 1), torch.cat(known), self.border)

    def _covers_most(self, level: Level, cells: torch.Tensor) -> bool:
        """Tell whether single cells with their borders are more pixels than the whole map."""
        return cells.shape[0] * (self._side + 2 * self._reach) ** 2 > level.count

    def _work_out(self, tiles: Tiles, sources: Sources, floor: float) -> torch.Tensor:
        """Return the raw output (n, C, h, w) of tiles without their borders."""
        inverse = self._inverse_depth(tiles, sources.depth)
        rays = None if self._encoding == RELATIVE else self._rays(tiles, sources.camera)
        normals = None if rays is None else find_normals(inverse, rays, self._radius)
        if self._task == 'normals' and normals is not None:
            return normals
        labels = None
        if sources.mask is not None:
            labels = tiles.cut(self._reach - 1).read(sources.mask)
        return edge_logits(inverse[:, 1:-1, 1:-1], self._radius, floor=floor, normals=normals,
                           labels=labels)[:, None]

    def _inverse_depth(self, tiles: Tiles, depth: torch.Tensor) -> torch.Tensor:
        """Return the inverse depths (n, h, w), 0 where nothing is known."""
        values = tiles.read(depth)
        inverse = _INVERSE[self._encoding](values)
        known = torch.isfinite(inverse) & (inverse > 0) & tiles.inside()
        return torch.where(known, inverse, 0.0)

    def _rays(self, tiles: Tiles, camera: Pinhole) -> Rays:
        """Return where the pixels of tiles lie, in pixels of the raw output."""
        own = camera.scaled(self._side / self._patch_size)
        right, down = tiles.columns - own.cx, tiles.rows - own.cy
        return Rays(right.float()[:, None], down.float()[..., None], own.fx, own.fy)


_INVERSE = {
    'log_metres': lambda raw: (-raw).exp(),
    'metres': torch.reciprocal,
    RELATIVE: lambda raw: raw.clamp(min=_FARTHEST),
}
"""Inverse depth from a raw output, by its encoding; not above 0 or not finite: not known."""


def _why_not(task: str) -> str:
    if task != 'normals':
        return (f'the model has no weights for {task}, which depth does not tell; without weights '
                f'can be {", ".join(CHANNELS)}')
    return ('the model has no weights for normals, and its depth is relative: without knowing '
            'where infinity lies it tells no directions; import it without normals, or with a '
            'depth head in metres')
