"""Maps without weights: normals and edges, worked out from a depth head's raw output."""

from dataclasses import dataclass
import math
from typing import Mapping

import torch

from mtshare_ros.errors import ModelError
from mtshare_ros.image_frame import Pinhole
from mtshare_ros.inference.surface import edge_logits, find_normals, Rays
from mtshare_ros.sharing.head_plan import around, HeadGeometry
from mtshare_ros.sharing.level import Level, strips_of_patches
from mtshare_ros.sharing.memory import tensor_bytes


@dataclass(frozen=True)
class Tiles:
    """
    Rectangles of pixels, by their rows (n, h) and columns (n, w) in a map of ``size``.

    A border may stick out of the map.
    """

    rows: torch.Tensor
    columns: torch.Tensor
    size: tuple[int, int]

    @classmethod
    def of_patches(cls, level: Level, cells: torch.Tensor, border: int) -> 'Tiles':
        """Return cells (n,) of a level, each with a border round it."""
        place = torch.arange(-border, level.side + border, device=cells.device)
        tops, lefts = (level.side * start for start in (
            cells // level.grid[1], cells % level.grid[1]))
        return cls(tops[:, None] + place, lefts[:, None] + place, level.size)

    @classmethod
    def whole(cls, level: Level, border: int, device: torch.device) -> 'Tiles':
        """Return a level as one rectangle with a border round it."""
        rows, columns = (torch.arange(-border, side + border, device=device)[None]
                         for side in level.size)
        return cls(rows, columns, level.size)

    def read(self, values: torch.Tensor) -> torch.Tensor:
        """Return a map's values (height, width) as (n, h, w); beyond the edge the nearest one."""
        height, width = values.shape
        rows = self._onto(self.rows, self.size[0], height)
        columns = self._onto(self.columns, self.size[1], width)
        return values.reshape(-1)[rows[:, :, None] * width + columns[:, None, :]]

    def inside(self) -> torch.Tensor:
        """Return which pixels (n, h, w) lie in the map."""
        rows, columns = ((place >= 0) & (place < size)
                         for place, size in zip((self.rows, self.columns), self.size))
        return rows[:, :, None] & columns[:, None, :]

    def cut(self, border: int) -> 'Tiles':
        """Return the rectangles without ``border`` pixels along each side."""
        if border == 0:
            return self
        inner = slice(border, -border)
        return Tiles(self.rows[:, inner], self.columns[:, inner], self.size)

    @staticmethod
    def _onto(place: torch.Tensor, size: int, other: int) -> torch.Tensor:
        """Return which of ``other`` pixels lies where the middle of one of ``size`` does."""
        return (2 * place.clamp(0, size - 1) + 1) * other // (2 * size)


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


@dataclass
class GeometryState:
    """
    A task's raw output of one camera, as rows (see ``Level``), and what it was worked out with.

    ``strips`` (N, side) are the rows of each cell, see ``strips_of_patches``. ``floor`` () float32
    is the least inverse depth that a step is measured by.
    """

    level: Level
    output: torch.Tensor
    strips: torch.Tensor
    floor: torch.Tensor
    frame: int = 0
    camera: Pinhole | None = None

    @property
    def raw(self) -> torch.Tensor:
        """The raw output as a view (1, C, h, w)."""
        return self.level.image(self.output)

    @property
    def nbytes(self) -> int:
        """Bytes the buffers take."""
        return tensor_bytes(self.output)

    def write(self, cells: torch.Tensor, values: torch.Tensor) -> None:
        """Overwrite cells (n,) of the raw output by (n, side, side, C)."""
        rows = self.level.strips(self.output)
        index = self.strips.index_select(0, cells).view(-1)
        rows.index_copy_(0, index, values.reshape(-1, rows.shape[1]))


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

    def geometry(self, heads: Mapping[str, HeadGeometry | None]) -> HeadGeometry | None:
        """
        Return how far a cell reaches, given how far it does in the raw outputs of heads.

        None where that is everywhere.
        """
        sources = [heads[task] for task in self.sources]
        known = [item for item in sources if item is not None]
        if len(known) < len(sources):
            return None
        border = max(item.patch_border for item in known) + self.border
        return HeadGeometry(self._side, (), (), (), border)

    def allocate(self, grid: tuple[int, int], device: torch.device) -> GeometryState:
        """Return the state of one camera for a grid of (rows, columns) cells."""
        level = Level(grid, self._side)
        return GeometryState(level, level.allocate(CHANNELS[self._task], torch.float32, device),
                             strips_of_patches(level, device), torch.zeros((), device=device))

    def update(
        self, state: GeometryState, depth: torch.Tensor, mask: torch.Tensor | None,
        camera: Pinhole, *, changes: Changes, frame: int,
    ) -> torch.Tensor | None:
        """
        Bring the raw output up to a frame; return the cells (m,) that may differ, or None.

        ``depth`` (h, w) is the raw depth, ``mask`` (H, W) the classes, None where there are none.
        ``camera`` is that of the maps, ``frame`` the number of the frame.
        """
        cells = self._dirty(state, camera, changes, frame)
        state.frame, state.camera = frame, camera
        self.work_out(state, depth, mask, self.own_camera(camera), cells)
        return cells

    def own_camera(self, camera: Pinhole) -> Pinhole:
        """Return the camera of the raw output for that of the maps."""
        return camera.scaled(self._side / self._patch_size)

    def work_out(
        self, state: GeometryState, depth: torch.Tensor, mask: torch.Tensor | None,
        camera: Pinhole | torch.Tensor, cells: torch.Tensor | None,
    ) -> None:
        """
        Work out cells (m,) of the raw output, None for all, without asking what is in them.

        ``depth`` (h, w) is the raw depth, ``mask`` (H, W) the classes if there are any.
        ``camera`` is ``own_camera``, on the device its numbers fx, fy, cx and cy (4,) float32.
        """
        if cells is None and self._encoding == RELATIVE:
            state.floor.copy_(_floor_of(depth))
        if cells is None or self._covers_most(state.level, cells):
            tiles = Tiles.whole(state.level, self._reach, depth.device)
            state.raw.copy_(self._values(tiles, state, depth, mask, camera))
        elif cells.shape[0]:
            tiles = Tiles.of_patches(state.level, cells, self._reach)
            values = self._values(tiles, state, depth, mask, camera)
            state.write(cells, values.permute(0, 2, 3, 1))

    def _dirty(
        self, state: GeometryState, camera: Pinhole, changes: Changes, frame: int
    ) -> torch.Tensor | None:
        """Return the cells (m,) that the changes reach; None for all."""
        listed = [changes[task] for task in self.sources]
        known = [cells for cells in listed if cells is not None]
        missed = state.frame != frame - 1
        if missed or state.camera != camera or len(known) < len(listed):
            return None
        return around(Level(state.level.grid, 1), torch.cat(known), self.border)

    def _covers_most(self, level: Level, cells: torch.Tensor) -> bool:
        """Tell whether single cells with their borders are more pixels than the whole map."""
        return cells.shape[0] * (self._side + 2 * self._reach) ** 2 > level.count

    def _values(
        self, tiles: Tiles, state: GeometryState, depth: torch.Tensor, mask: torch.Tensor | None,
        camera: Pinhole | torch.Tensor,
    ) -> torch.Tensor:
        """Return the raw output (n, C, h, w) of tiles without their borders."""
        inverse = self._inverse_depth(tiles, depth)
        rays = None if self._encoding == RELATIVE else _rays(tiles, camera)
        normals = None if rays is None else find_normals(inverse, rays, self._radius)
        if self._task == 'normals' and normals is not None:
            return normals
        labels = None if mask is None else tiles.cut(self._reach - 1).read(mask)
        return edge_logits(inverse[:, 1:-1, 1:-1], self._radius, floor=state.floor,
                           normals=normals, labels=labels)[:, None]

    def _inverse_depth(self, tiles: Tiles, depth: torch.Tensor) -> torch.Tensor:
        """Return the inverse depths (n, h, w), 0 where nothing is known."""
        values = tiles.read(depth)
        inverse = _INVERSE[self._encoding](values)
        known = torch.isfinite(inverse) & (inverse > 0) & tiles.inside()
        return torch.where(known, inverse, 0.0)


def _rays(tiles: Tiles, camera: Pinhole | torch.Tensor) -> Rays:
    """Return where the pixels of tiles lie, in pixels of the raw output."""
    fx, fy, cx, cy = (camera.unbind() if isinstance(camera, torch.Tensor)
                      else (camera.fx, camera.fy, camera.cx, camera.cy))
    right, down = tiles.columns - cx, tiles.rows - cy
    return Rays(right.float()[:, None], down.float()[..., None], fx, fy)


def _floor_of(disparity: torch.Tensor) -> torch.Tensor:
    """Return the least disparity () that a step is measured by."""
    return disparity.nan_to_num(0, 0, 0).clamp(min=0).mean().double() * _SHALLOW


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
