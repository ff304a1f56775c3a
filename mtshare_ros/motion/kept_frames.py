"""The maps of the last frames, kept so that they can be resampled."""

from dataclasses import dataclass
from typing import Mapping, Sequence

import numpy as np
import torch

from mtshare_ros.motion.kinds import Kind
from mtshare_ros.motion.points import matrix_of, NEAREST
from mtshare_ros.motion.resampling import blend, pick, Places
from mtshare_ros.motion.rigid import RigidMotion
from mtshare_ros.pinhole import Pinhole
from mtshare_ros.tasks import UNLABELLED

Maps = Mapping[str, torch.Tensor]
"""Maps by name: (H, W), or (C, H, W) where a pixel has several values."""

_TINY = 1e-12
"""Square of a length below which a direction is none."""

_SAME_SURFACE = 0.025
"""Relative difference from the nearest pixel's value up to which a step is not crossed."""


@dataclass(frozen=True)
class Viewed:
    """
    From where kept frames are viewed.

    ``camera`` is that of all, ``motions`` lead from the frames to the view, ``turn`` (3, 3)
    brings directions of the world to it.
    """

    camera: Pinhole
    motions: Sequence[RigidMotion]
    turn: np.ndarray

    def distance(self, distance: torch.Tensor, places: Places) -> torch.Tensor:
        """Return the z (n,) in the view of what has a z in its kept frame."""
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

    All that is resampled between pixels lies together in half precision. Labels, and what breaks
    off at the edges of things, are kept as they are besides.
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
            name: _empty(pixels, kind, device) for name, kind in self._kinds.items()
            if kind.stepped}

    @property
    def nbytes(self) -> int:
        """Bytes that the frames take."""
        tables = (self._table, *self._stepped.values())
        return sum(table.numel() * table.element_size() for table in tables)

    def write(self, frame: int, maps: Maps, turn: np.ndarray) -> None:
        """Overwrite a frame by all maps; ``turn`` (3, 3) brings its directions to the world."""
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
        """Return all maps at places (n,) as they are viewed: (n,), or (C, n) for C values."""
        found = {name: pick(table, places) for name, table in self._stepped.items()}
        # one product turns what is turned, and brings the values of each map together
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
        """Return the matrix (C, C) that turns the directions among the values of a pixel."""
        blocks = [_as_tensor(turn, 'cpu') if self._kinds[name] == Kind.DIRECTION
                  else torch.eye(self._kinds[name].channels) for name in self._blended]
        return torch.block_diag(*blocks).to(self._table.device)


def _as_tensor(turn: np.ndarray, device: torch.device | str) -> torch.Tensor:
    return torch.from_numpy(turn).to(device, torch.float32)


def _empty(pixels: int, kind: Kind, device: torch.device) -> torch.Tensor:
    if kind == Kind.LABELS:
        return torch.full((pixels,), UNLABELLED, dtype=torch.uint8, device=device)
    return torch.zeros(pixels, dtype=torch.float32, device=device)


def _on_one_surface(between: torch.Tensor, nearest: torch.Tensor) -> torch.Tensor:
    """Return values (n,) between pixels, or of the nearest one where that is far from them."""
    # a value that is unknown or beyond half precision is far from every other
    close = (between - nearest).abs_() <= nearest.abs().mul_(_SAME_SURFACE)
    return torch.where(close, between, nearest)
