"""The maps of the last frames, kept so that later views can be resampled from them."""

from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Iterable, Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F

from mtshare_ros.image_frame import Pinhole
from mtshare_ros.motion.points import matrix_of, NEAREST
from mtshare_ros.motion.rigid import RigidMotion
from mtshare_ros.tasks import TASKS, UNLABELLED


class Kind(Enum):
    """
    How a map is resampled, and how its values change with the view.

    ``labels``: the value of the nearest pixel. ``distance`` and ``surface`` (H, W): interpolated,
    but never across the edge of a thing; a distance changes as the camera moves. ``value`` (H, W)
    and ``colour`` (H, W, 3): interpolated. ``direction`` (H, W, 3): interpolated unit vectors that
    turn with the camera.
    """

    LABELS = 'labels'
    DISTANCE = 'distance'
    SURFACE = 'surface'
    VALUE = 'value'
    DIRECTION = 'direction'
    COLOUR = 'colour'

    @property
    def channels(self) -> int:
        """Values per pixel."""
        return 3 if self in (Kind.DIRECTION, Kind.COLOUR) else 1

    @property
    def stepped(self) -> bool:
        """Whether the map has steps at the edges of things, so that exact values are kept too."""
        return self in (Kind.LABELS, Kind.DISTANCE, Kind.SURFACE)


_BY_ENCODING = {
    'class_logits': Kind.LABELS,
    'log_metres': Kind.DISTANCE,
    'direction': Kind.DIRECTION,
    'logit': Kind.VALUE,
}

KINDS = {spec.map: _BY_ENCODING[spec.encoding] for spec in TASKS.values()} | {
    'confidence': Kind.LABELS,
    'disparity': Kind.SURFACE,
    'image': Kind.COLOUR,
}
"""The kind of each map by its name in ``Prediction``."""


def kind_of(name: str) -> Kind:
    """Return the kind of a map by name; an unknown name is a value, such as a weight."""
    return KINDS.get(name, Kind.VALUE)


def kinds_of(names: Iterable[str]) -> dict[str, Kind]:
    """Return the kinds of maps by name, the image included."""
    return {name: kind_of(name) for name in (*names, 'image')}


def to_planes(values: torch.Tensor, kind: Kind) -> torch.Tensor:
    """Return a map in the form in which it is kept: labels or float32, (H, W) or (C, H, W)."""
    if kind == Kind.LABELS:
        return values
    values = values.float()
    return values.permute(2, 0, 1).contiguous() if values.dim() == 3 else values


def from_planes(values: torch.Tensor) -> torch.Tensor:
    """Return kept planes (H, W) or (C, H, W) as a map, (H, W) or (H, W, C)."""
    return values if values.dim() == 2 else values.permute(1, 2, 0)


def carried_name(name: str, *, scaled: bool) -> str:
    """
    Return the name under which a map is carried along.

    Where the motion is not in metres, depth is carried like disparity: its values do not change.
    """
    return 'disparity' if name == 'depth' and not scaled else name


def as_array(values: torch.Tensor, kind: np.dtype) -> np.ndarray:
    """Return a carried map as an array of its own, of the dtype that it had."""
    if kind == np.uint8 and values.is_floating_point():
        values = values.round().clamp_(0, 255)
    return np.array(values.cpu().numpy(), kind, order='C')


@dataclass(frozen=True)
class Places:
    """
    Where pixels (n,) lie in kept frames of ``size`` (H, W).

    ``frame`` (n,) is the number of the kept frame, or one number for all; ``row`` and ``column``
    (n,) float32 are the place in it. Places beyond the border take the values at the border.
    """

    size: tuple[int, int]
    frame: torch.Tensor | int
    row: torch.Tensor
    column: torch.Tensor

    def select(self, which: torch.Tensor) -> 'Places':
        """Return some of the places (m,)."""
        frame = self.frame
        if not isinstance(frame, int):
            frame = frame.index_select(0, which)
        return Places(self.size, frame, self.row.index_select(0, which),
                      self.column.index_select(0, which))

    @cached_property
    def nearest(self) -> torch.Tensor:
        """The nearest pixels (n,) int32 in a table of all frames' pixels."""
        height, width = self.size
        row = self.row.round().clamp_(0, height - 1)
        column = self.column.round().clamp_(0, width - 1)
        # float32 numbers the pixels of one view exactly, but perhaps not those of all frames
        return row.mul_(width).add_(column).int().add_(self._start)

    @cached_property
    def _start(self) -> torch.Tensor | int:
        return self.frame * (self.size[0] * self.size[1])

    @cached_property
    def corners(self) -> torch.Tensor:
        """The four pixels (n, 4) int32 about each place, in a table of all frames' pixels."""
        width = self.size[1]
        first = (self._top * width).add_(self._left).int().add_(self._start)
        steps = torch.tensor((0, 1, width, width + 1), dtype=torch.int32, device=first.device)
        return first[:, None] + steps

    @cached_property
    def weights(self) -> torch.Tensor:
        """The weights of the four, bilinear: (n, 4) float16."""
        down = (self.row - self._top).clamp_(0, 1)
        right = (self.column - self._left).clamp_(0, 1)
        both = down * right
        weights = torch.empty(*down.shape, 4, dtype=torch.float16, device=down.device)
        for corner, part in enumerate((1 - down - right + both, right - both, down - both, both)):
            weights[..., corner] = part
        return weights

    @cached_property
    def _top(self) -> torch.Tensor:
        # there must be a corner below it
        return self.row.floor().clamp_(0, self.size[0] - 2)

    @cached_property
    def _left(self) -> torch.Tensor:
        return self.column.floor().clamp_(0, self.size[1] - 2)


def blend(table: torch.Tensor, places: Places) -> torch.Tensor:
    """
    Return values (n, C) interpolated in a table (pixels of all frames, C), both float16.

    The C values of a pixel are next to each other, so that each place takes four reads.
    """
    return F.embedding_bag(places.corners, table, mode='sum', per_sample_weights=places.weights)


def pick(table: torch.Tensor, places: Places) -> torch.Tensor:
    """Return the values (n,) of the nearest pixels of a table (pixels of all frames,)."""
    return table.index_select(0, places.nearest)


Maps = Mapping[str, torch.Tensor]
"""Maps by name: (H, W), or (C, H, W) where a pixel has several values."""

_TINY = 1e-12
"""Squared length below which a vector has no direction."""

_SAME_SURFACE = 0.025
"""Largest relative difference from the nearest pixel's value on one surface."""


@dataclass(frozen=True)
class Viewed:
    """
    The view for which kept frames are read.

    ``camera`` is the same for all, ``motions`` bring points of each frame to the view, ``turn``
    (3, 3) turns directions of the world into it.
    """

    camera: Pinhole
    motions: Sequence[RigidMotion]
    turn: np.ndarray

    def distance(self, distance: torch.Tensor, places: Places) -> torch.Tensor:
        """Return the z (n,) in the view of points whose z in their kept frame is ``distance``."""
        back = np.linalg.inv(matrix_of(self.camera))
        rows = [np.append(motion.rotation[2] @ back, motion.translation[2])
                for motion in self.motions]
        if isinstance(places.frame, int):
            right, down, constant, shift = (float(weight) for weight in rows[places.frame])
            scale = (places.column * right).add_(places.row, alpha=down).add_(constant)
            return scale.mul_(distance).add_(shift).clamp_(min=NEAREST)
        table = _as_tensor(np.stack(rows).T, distance.device).contiguous()
        across, along, start, end = (weights.index_select(0, places.frame) for weights in table)
        scale = start.addcmul_(across, places.column).addcmul_(along, places.row)
        return end.addcmul_(scale, distance).clamp_(min=NEAREST)


class KeptFrames:
    """
    Maps of the last ``count`` frames of ``size`` (H, W), by name.

    Everything that is interpolated is in one table in half precision. Labels, and maps with steps
    at the edges of things, are also kept exactly.
    """

    def __init__(
        self, size: tuple[int, int], kinds: Mapping[str, Kind], device: torch.device, count: int
    ) -> None:
        self._size, self._count, self._kinds = size, count, kinds
        self._blended = [name for name, kind in self._kinds.items() if kind != Kind.LABELS]
        pixels = count * size[0] * size[1]
        channels = sum(self._kinds[name].channels for name in self._blended)
        self._table = torch.zeros(pixels, channels, dtype=torch.float16, device=device)
        self._stepped = {
            name: unknown_map((pixels,), kind, device) for name, kind in self._kinds.items()
            if kind.stepped}

    @property
    def nbytes(self) -> int:
        """Bytes of the tables."""
        tables = (self._table, *self._stepped.values())
        return sum(table.numel() * table.element_size() for table in tables)

    def write(self, frame: int, maps: Maps, turn: np.ndarray) -> None:
        """Overwrite a frame with all maps; ``turn`` (3, 3) turns its directions into the world."""
        pixels = self._size[0] * self._size[1]
        part = slice(frame * pixels, (frame + 1) * pixels)
        rows, start = self._table[part], 0
        for name in self._blended:
            channels = self._kinds[name].channels
            values = maps[name].reshape(channels, pixels)
            if self._kinds[name] == Kind.DIRECTION:
                values = _as_tensor(turn, values.device) @ values
            rows[:, start:start + channels] = values.t()
            start += channels
        for name, table in self._stepped.items():
            table[part] = maps[name].reshape(-1)

    def read(self, places: Places, viewed: Viewed) -> dict[str, torch.Tensor]:
        """Return all maps at places (n,) as the view sees them: (n,), or (C, n) for C values."""
        found = {name: pick(table, places) for name, table in self._stepped.items()}
        # one matrix product turns the directions and puts the values of each map in one place
        values = self._turned(viewed.turn) @ blend(self._table, places).float().t()
        parts = values.split([self._kinds[name].channels for name in self._blended])
        for name, part in zip(self._blended, parts):
            kind = self._kinds[name]
            if kind.stepped:
                found[name] = _on_one_surface(part[0], found[name])
            elif kind == Kind.DIRECTION:
                found[name] = part * part.square().sum(dim=0).clamp_(min=_TINY).rsqrt_()
            else:
                found[name] = part if kind.channels > 1 else part[0]
            if kind == Kind.DISTANCE:
                found[name] = viewed.distance(found[name], places)
        return found

    def _turned(self, turn: np.ndarray) -> torch.Tensor:
        """Return the matrix (C, C) that turns the directions among the C values of a pixel."""
        blocks = [_as_tensor(turn, 'cpu') if self._kinds[name] == Kind.DIRECTION
                  else torch.eye(self._kinds[name].channels) for name in self._blended]
        return torch.block_diag(*blocks).to(self._table.device)


def _as_tensor(turn: np.ndarray, device: torch.device | str) -> torch.Tensor:
    return torch.from_numpy(turn).to(device, torch.float32)


def unknown_map(shape: tuple[int, ...], kind: Kind, device: torch.device) -> torch.Tensor:
    """Return a map without any known pixel."""
    if kind == Kind.LABELS:
        return torch.full(shape, UNLABELLED, dtype=torch.uint8, device=device)
    return torch.zeros(shape, device=device)


def _on_one_surface(between: torch.Tensor, nearest: torch.Tensor) -> torch.Tensor:
    """Return interpolated values (n,), or the nearest pixel's where they are far from it."""
    # an unknown value, or one beyond half precision, compares as far: the nearest one is taken
    close = (between - nearest).abs_() <= nearest.abs().mul_(_SAME_SURFACE)
    return torch.where(close, between, nearest)
