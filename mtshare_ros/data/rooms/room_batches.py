"""Rendered rooms as training batches: shrunk, cropped, mirrored, recoloured."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch.nn import functional

from mtshare_ros.data.batches import Batch, ClipBatch, mirror, recolor
from mtshare_ros.data.rooms.training_clips import TrainingClips
from mtshare_ros.data.sample import NORMAL_SCALE

_MIRRORED = 0.5


class TruthArrays(Protocol):
    """What the truth of rendered frames is stored as, see ``FrameSet``."""

    @property
    def depth(self) -> np.ndarray:
        """(N, H, W) float16 metres."""

    @property
    def normals(self) -> np.ndarray:
        """(N, H, W, 3) int8."""

    @property
    def labels(self) -> np.ndarray:
        """(N, H, W) uint8."""

    @property
    def edges(self) -> np.ndarray:
        """(N, H, W) uint8, 0 or 1."""


class FrameArrays(TruthArrays, Protocol):
    """Frames of one size, see ``FrameSet``."""

    @property
    def image(self) -> np.ndarray:
        """(N, H, W, 3) uint8 RGB."""

    def __len__(self) -> int:
        """Return N."""


class RoomsTrainingSet:
    """Single views as a TrainingSet; truth comes at half the resolution of the images."""

    def __init__(self, frames: FrameArrays) -> None:
        self._frames = frames

    def __len__(self) -> int:
        return len(self._frames)

    def batch(
        self, indices: Sequence[int], input_size: tuple[int, int], downscale: int,
        random: np.random.Generator,
    ) -> Batch:
        """See TrainingSet; images of one call are cropped alike."""
        batch = _crop(_load(self._frames, indices, downscale, random), input_size, random)
        batch = mirror(batch, torch.from_numpy(random.random(len(indices)) < _MIRRORED))
        return Batch(recolor(batch.image, random), batch.truth)


class RoomsClipSet:
    """Clips as a ClipSet; truth comes at half the resolution of the images."""

    def __init__(self, clips: TrainingClips) -> None:
        self._clips = clips

    def __len__(self) -> int:
        return len(self._clips)

    def clip_batch(
        self, indices: Sequence[int], input_size: tuple[int, int], random: np.random.Generator
    ) -> ClipBatch:
        """
        See ClipSet; clips of one call are cropped alike.

        Colours are kept: the gates rely on the noise of a patch, which depends on its brightness.
        """
        clips = torch.from_numpy(np.stack([self._clips.clip[index] for index in indices]))
        planes = clips.permute(0, 1, 4, 2, 3).flatten(1, 2)  # (B, T x 3, H, W)
        truth = _truth(self._clips, indices, 2, _corner(2, random))
        whole = _crop(Batch(planes, truth), input_size, random)
        whole = mirror(whole, torch.from_numpy(random.random(len(indices)) < _MIRRORED))
        frames = whole.image.unflatten(1, (-1, 3))
        return ClipBatch(frames, Batch(frames[:, -1].float(), whole.truth))


def _load(
    frames: FrameArrays, indices: Sequence[int], downscale: int, random: np.random.Generator
) -> Batch:
    """Stack frames, shrunk by ``downscale``; ``random`` picks which pixel stands for a cell."""
    cell = 2 * downscale
    image = torch.from_numpy(np.stack([frames.image[index] for index in indices]))
    planes = image.permute(0, 3, 1, 2).float()
    return Batch(functional.avg_pool2d(planes, downscale) if downscale > 1 else planes,
                 _truth(frames, indices, cell, _corner(cell, random)))


def _corner(cell: int, random: np.random.Generator) -> tuple[int, int]:
    """Return either of the two pixels beside a cell's centre, so that truth has no bias."""
    top, left = cell // 2 - random.integers(0, 2, size=2)
    return int(top), int(left)


def _truth(
    frames: TruthArrays, indices: Sequence[int], cell: int, corner: tuple[int, int]
) -> dict[str, torch.Tensor]:
    """Return the truth of frames by task, one value for each cell of ``cell`` pixels a side."""
    def sampled(array: np.ndarray) -> np.ndarray:
        return np.stack([array[index][corner[0]::cell, corner[1]::cell] for index in indices])

    edges = torch.from_numpy(np.stack([frames.edges[index] for index in indices])).float()
    normals = torch.from_numpy(sampled(frames.normals)).permute(0, 3, 1, 2).float()
    return {
        'semseg': torch.from_numpy(sampled(frames.labels)).long(),
        'depth': torch.from_numpy(sampled(frames.depth).astype(np.float32)),
        'normals': normals / NORMAL_SCALE,
        'edge': functional.max_pool2d(edges[:, None], cell)[:, 0],
    }


def _crop(batch: Batch, size: tuple[int, int], random: np.random.Generator) -> Batch:
    """Cut (h, w) out of every image; offsets are even, so that half-size truth stays aligned."""
    top, left = (int(random.integers(0, (full - part) // 2 + 1))
                 for full, part in zip(batch.image.shape[-2:], size))
    rows, columns = slice(top, top + size[0] // 2), slice(left, left + size[1] // 2)
    image = batch.image[..., 2 * top:2 * top + size[0], 2 * left:2 * left + size[1]]
    return Batch(image, {task: value[..., rows, columns] for task, value in batch.truth.items()})
