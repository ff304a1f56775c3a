"""Tasks without weights: normals and edges, computed from the raw output of a depth head."""

from dataclasses import dataclass
import math
from typing import Mapping

import torch

from mtshare_ros.errors import ModelError
from mtshare_ros.image_frame import Pinhole
from mtshare_ros.inference.surface import edge_logits, find_normals, Rays
from mtshare_ros.sharing.head import around, HeadGeometry
from mtshare_ros.sharing.memory import tensor_bytes
from mtshare_ros.sharing.pixel_maps import Level, strips_of_patches

CHANNELS = {'normals': 3, 'edge': 1}
"""The tasks that can be computed from depth, and the channels of their raw outputs."""

RELATIVE = 'disparity'
"""The encoding of depth without scale and shift."""

_SHALLOW = 0.1
"""Disparities below this share of their mean count as this share: lower ones are noise."""

_FARTHEST = 1e-9
"""Disparity of infinitely far pixels, so that it is above 0, which means unknown."""

Changes = Mapping[str, torch.Tensor | None]
"""By task the patches (m,) whose raw output may differ from the last frame's, None for all."""


@dataclass(frozen=True)
class Tiles:
    """
    Rectangles of pixels, given by their rows (n, h) and columns (n, w) in a map of ``size``.

    Their borders may be outside the map.
    """

    rows: torch.Tensor
    columns: torch.Tensor
    size: tuple[int, int]

    @classmethod
    def of_patches(cls, level: Level, patches: torch.Tensor, border: int) -> 'Tiles':
        """Return patches (n,) of a level, each with a border round it."""
        place = torch.arange(-border, level.side + border, device=patches.device)
        tops, lefts = (level.side * start for start in (
            patches // level.grid[1], patches % level.grid[1]))
        return cls(tops[:, None] + place, lefts[:, None] + place, level.size)

    @classmethod
    def whole(cls, level: Level, border: int, device: torch.device) -> 'Tiles':
        """Return a level as one rectangle with a border round it."""
        rows, columns = (torch.arange(-border, side + border, device=device)[None]
                         for side in level.size)
        return cls(rows, columns, level.size)

    def read(self, values: torch.Tensor) -> torch.Tensor:
        """Return the values of a map (height, width) as (n, h, w); outside it, the nearest."""
        height, width = values.shape
        rows = self._onto(self.rows, self.size[0], height)
        columns = self._onto(self.columns, self.size[1], width)
        return values.reshape(-1)[rows[:, :, None] * width + columns[:, None, :]]

    def inside(self) -> torch.Tensor:
        """Return which pixels (n, h, w) are in the map."""
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
        """Return which of ``other`` pixels has the middle of a pixel of ``size`` in it."""
        return (2 * place.clamp(0, size - 1) + 1) * other // (2 * size)


@dataclass
class GeometryState:
    """
    The raw output of a task for one camera, as rows (see ``Level``); its last frame and camera.

    ``strips`` (N, side) are the rows of each patch, see ``strips_of_patches``. ``floor`` ()
    float32 is the least inverse depth by which a step is divided.
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
        """Bytes of the buffers."""
        return tensor_bytes(self.output)

    def write(self, patches: torch.Tensor, values: torch.Tensor) -> None:
        """Overwrite patches (n,) of the raw output by (n, side, side, C)."""
        rows = self.level.strips(self.output)
        index = self.strips.index_select(0, patches).view(-1)
        rows.index_copy_(0, index, values.reshape(-1, rows.shape[1]))


class GeometryDecoder:
    """
    Computes the raw output of a task from the raw depth, for the patches whose sources changed.

    ``encoding`` is that of the depth head, ``side`` the pixels of its output along a side of a
    patch of ``patch_size``. ``labelled`` is True for a model with a semantic mask, where a change
    of the class is an edge too. Raises ModelError for a task that cannot be computed from depth.
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
        """How many patches round a changed one may change with it."""
        return math.ceil(self._field_radius / self._side)

    @property
    def _field_radius(self) -> int:
        """How many pixels round a pixel it depends on."""
        return 2 * self._radius + (1 if self._task == 'edge' else 0)

    def geometry(self, heads: Mapping[str, HeadGeometry | None]) -> HeadGeometry | None:
        """
        Return the receptive field of the raw output, given those of the heads.

        None where a patch may depend on all others.
        """
        sources = [heads[task] for task in self.sources]
        known = [item for item in sources if item is not None]
        if len(known) < len(sources):
            return None
        border = max(item.patch_border for item in known) + self.border
        return HeadGeometry(self._side, (), (), (), border)

    def allocate(self, grid: tuple[int, int], device: torch.device) -> GeometryState:
        """Return the state of one camera for a grid of (rows, columns) patches."""
        level = Level(grid, self._side)
        return GeometryState(level, level.allocate(CHANNELS[self._task], torch.float32, device),
                             strips_of_patches(level, device), torch.zeros((), device=device))

    def update(
        self, state: GeometryState, depth: torch.Tensor, mask: torch.Tensor | None,
        camera: Pinhole, *, changes: Changes, frame: int,
    ) -> torch.Tensor | None:
        """
        Bring the raw output up to date; return the patches (m,) that may differ, None for all.

        ``depth`` (h, w) is the raw depth, ``mask`` (H, W) the classes, None where there are none.
        ``camera`` is that of the maps, ``frame`` the number of the frame.
        """
        patches = self._dirty(state, camera, changes, frame)
        state.frame, state.camera = frame, camera
        self.compute(state, depth, mask, self.own_camera(camera), patches)
        return patches

    def own_camera(self, camera: Pinhole) -> Pinhole:
        """Return the camera in pixels of the raw output, given that of the maps."""
        return camera.scaled(self._side / self._patch_size)

    def compute(
        self, state: GeometryState, depth: torch.Tensor, mask: torch.Tensor | None,
        camera: Pinhole | torch.Tensor, patches: torch.Tensor | None,
    ) -> None:
        """
        Compute patches (m,) of the raw output, None for all; which ones does not depend on data.

        ``depth`` (h, w) is the raw depth, ``mask`` (H, W) the classes if there are any.
        ``camera`` is ``own_camera``, or its fx, fy, cx and cy as a tensor (4,) float32.
        """
        if patches is None and self._encoding == RELATIVE:
            # with whole frames only: another floor would change patches that are not computed
            known = depth.nan_to_num(0, 0, 0).clamp(min=0)
            state.floor.copy_(known.mean().double() * _SHALLOW)
        # single patches with their borders may have more pixels than the whole map
        tile = (self._side + 2 * self._field_radius) ** 2
        if patches is None or patches.shape[0] * tile > state.level.count:
            tiles = Tiles.whole(state.level, self._field_radius, depth.device)
            state.raw.copy_(self._values(tiles, state, depth, mask, camera))
        elif patches.shape[0]:
            tiles = Tiles.of_patches(state.level, patches, self._field_radius)
            values = self._values(tiles, state, depth, mask, camera)
            state.write(patches, values.permute(0, 2, 3, 1))

    def _dirty(
        self, state: GeometryState, camera: Pinhole, changes: Changes, frame: int
    ) -> torch.Tensor | None:
        """Return the patches (m,) that the changes can affect; None for all."""
        listed = [changes[task] for task in self.sources]
        known = [patches for patches in listed if patches is not None]
        # what changed in frames for which this task was not asked is unknown
        missed = state.frame != frame - 1
        if missed or state.camera != camera or len(known) < len(listed):
            return None
        return around(Level(state.level.grid, 1), torch.cat(known), self.border)

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
        labels = None if mask is None else tiles.cut(self._field_radius - 1).read(mask)
        return edge_logits(inverse[:, 1:-1, 1:-1], self._radius, floor=state.floor,
                           normals=normals, labels=labels)[:, None]

    def _inverse_depth(self, tiles: Tiles, depth: torch.Tensor) -> torch.Tensor:
        """Return the inverse depths (n, h, w), 0 where unknown."""
        values = tiles.read(depth)
        inverse = _INVERSE[self._encoding](values)
        known = torch.isfinite(inverse) & (inverse > 0) & tiles.inside()
        return torch.where(known, inverse, 0.0)


def _rays(tiles: Tiles, camera: Pinhole | torch.Tensor) -> Rays:
    """Return the rays of the pixels of tiles, in pixels of the raw output."""
    fx, fy, cx, cy = (camera.unbind() if isinstance(camera, torch.Tensor)
                      else (camera.fx, camera.fy, camera.cx, camera.cy))
    right, down = tiles.columns - cx, tiles.rows - cy
    return Rays(right.float()[:, None], down.float()[..., None], fx, fy)


_INVERSE = {
    'log_metres': lambda raw: (-raw).exp(),
    'metres': torch.reciprocal,
    RELATIVE: lambda raw: raw.clamp(min=_FARTHEST),
}
"""Inverse depth from a raw output, by its encoding; unknown unless finite and above 0."""


def _why_not(task: str) -> str:
    if task != 'normals':
        return (f'the model has no weights for {task}, which cannot be computed from depth; '
                f'possible without weights are {", ".join(CHANNELS)}')
    return ('the model has no weights for normals, and they cannot be computed from its relative '
            'depth, whose shift is unknown; import it without normals, or with a depth head in '
            'metres')
