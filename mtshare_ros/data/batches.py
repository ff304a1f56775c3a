"""Training batches: frames stacked, shrunk, cropped, flipped and recoloured."""

from dataclasses import dataclass
from typing import Protocol, Sequence

import numpy as np
import torch
from torch.nn import functional

from mtshare_ros.data.storage import NORMAL_SCALE


class Frames(Protocol):
    """Labelled frames of one size, indexed along the first axis (memory maps, usually)."""

    @property
    def image(self) -> np.ndarray:
        """(N, H, W, 3) uint8 RGB."""

    @property
    def labels(self) -> np.ndarray:
        """(N, H, W) uint8, 255 unlabelled."""

    @property
    def depth(self) -> np.ndarray:
        """(N, H, W) float metres, 0 invalid."""

    @property
    def normals(self) -> np.ndarray:
        """(N, H, W, 3) int8, unit vectors in the optical frame x 127, 0 invalid."""

    @property
    def edges(self) -> np.ndarray:
        """(N, H, W) uint8, 1 on edges."""

    def __len__(self) -> int:
        """Return N."""


@dataclass(frozen=True)
class Batch:
    """Images (B, 3, h, w) in 0-255 and their truth at half that resolution."""

    image: torch.Tensor
    labels: torch.Tensor
    """(B, h/2, w/2) int64"""
    depth: torch.Tensor
    """(B, h/2, w/2) metres"""
    normals: torch.Tensor
    """(B, 3, h/2, w/2)"""
    edges: torch.Tensor
    """(B, h/2, w/2), 1.0 where an edge crosses the cell"""

    def to(self, device: torch.device) -> 'Batch':
        """Return the batch on a device, images channels-last."""
        image = self.image.to(device).contiguous(memory_format=torch.channels_last)
        rest = (value.to(device) for value in (self.labels, self.depth, self.normals, self.edges))
        return Batch(image, *rest)


def load_batch(
    frames: Frames, indices: Sequence[int], downscale: int, random: np.random.Generator
) -> Batch:
    """Stack frames, shrunk by ``downscale``; ``random`` picks which pixel stands for a cell."""
    cell = 2 * downscale
    # either of the two pixels beside a cell's centre, so that truth has no sub-pixel bias
    top, left = cell // 2 - random.integers(0, 2, size=2)

    def sampled(name: str) -> np.ndarray:
        source = getattr(frames, name)
        return np.stack([source[index][top::cell, left::cell] for index in indices])

    image = torch.from_numpy(np.stack([frames.image[index] for index in indices]))
    edges = torch.from_numpy(np.stack([frames.edges[index] for index in indices])).float()
    planes = image.permute(0, 3, 1, 2).float()
    return Batch(
        image=functional.avg_pool2d(planes, downscale) if downscale > 1 else planes,
        labels=torch.from_numpy(sampled('labels')).long(),
        depth=torch.from_numpy(sampled('depth').astype(np.float32)),
        normals=torch.from_numpy(sampled('normals')).permute(0, 3, 1, 2).float() / NORMAL_SCALE,
        edges=functional.max_pool2d(edges[:, None], cell)[:, 0],
    )


def augment(batch: Batch, input_size: tuple[int, ...], random: np.random.Generator) -> Batch:
    """Crop to ``input_size`` at random, mirror half of the images and vary their colours."""
    cropped = _crop(batch, input_size, random)
    mirrored = _mirror(cropped, torch.from_numpy(random.random(len(cropped.image)) < 0.5))
    return Batch(_recolor(mirrored.image, random), mirrored.labels, mirrored.depth,
                 mirrored.normals, mirrored.edges)


def _crop(batch: Batch, size: tuple[int, ...], random: np.random.Generator) -> Batch:
    """Cut (h, w) out of every image; offsets are even, so that half-size truth stays aligned."""
    top, left = (int(random.integers(0, (full - part) // 2 + 1))
                 for full, part in zip(batch.image.shape[-2:], size))
    rows = slice(top, top + size[0] // 2)
    columns = slice(left, left + size[1] // 2)
    image = batch.image[..., 2 * top:2 * top + size[0], 2 * left:2 * left + size[1]]
    return Batch(image, *(value[..., rows, columns] for value in
                          (batch.labels, batch.depth, batch.normals, batch.edges)))


def _mirror(batch: Batch, chosen: torch.Tensor) -> Batch:
    """Mirror the chosen images left to right; the x component of their normals turns over."""

    def mirrored(value: torch.Tensor) -> torch.Tensor:
        shape = (-1,) + (1,) * (value.ndim - 1)
        return torch.where(chosen.view(shape), value.flip(-1), value)

    normals = mirrored(batch.normals)
    sign = torch.where(chosen, -1.0, 1.0).view(-1, 1, 1)
    normals = torch.stack((normals[:, 0] * sign, normals[:, 1], normals[:, 2]), dim=1)
    return Batch(mirrored(batch.image), mirrored(batch.labels), mirrored(batch.depth), normals,
                 mirrored(batch.edges))


def _recolor(image: torch.Tensor, random: np.random.Generator) -> torch.Tensor:
    """Vary white balance, brightness and contrast of (B, 3, h, w) images."""
    count = len(image)

    def factors(spread: float, channels: int) -> torch.Tensor:
        values = random.uniform(1 - spread, 1 + spread, size=(count, channels, 1, 1))
        return torch.from_numpy(values.astype(np.float32))

    image = image * (factors(0.15, 3) * factors(0.3, 1))
    mean = image.mean(dim=(2, 3), keepdim=True)
    return ((image - mean) * factors(0.2, 1) + mean).clamp(0, 255)
