"""Training batches: images with their truth by task, and how both are mirrored and recoloured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch


@dataclass(frozen=True)
class Batch:
    """
    Images (B, 3, H, W) float32 in 0-255, and their ground truth by task id.

    Truths share one size (h, w), H and W or half of them. ``semseg`` and ``human_parts`` (B, h, w)
    int64, 255 unlabelled; ``depth`` (B, h, w) metres, 0 invalid; ``normals`` (B, 3, h, w) unit
    vectors in the optical frame, 0 invalid; ``edge`` and ``saliency`` (B, h, w) 0.0 to 1.0, 255
    unlabelled.
    """

    image: torch.Tensor
    truth: Mapping[str, torch.Tensor]

    def to(self, device: torch.device) -> 'Batch':
        """Return the batch on a device, images channels-last."""
        image = self.image.to(device).contiguous(memory_format=torch.channels_last)
        return Batch(image, {task: value.to(device) for task, value in self.truth.items()})


@dataclass(frozen=True)
class ClipBatch:
    """
    Short clips (B, T, 3, H, W) uint8 of consecutive frames, with the truth of the last ones.

    ``last`` is what a trainer learns from: the images of ``frames[:, -1]`` and their truth.
    """

    frames: torch.Tensor
    last: Batch

    def to(self, device: torch.device) -> 'ClipBatch':
        """Return the batch on a device."""
        return ClipBatch(self.frames.to(device), self.last.to(device))


class TrainingSet(Protocol):
    """Labelled images that are read as augmented batches."""

    def __len__(self) -> int:
        """Return how many there are."""

    def batch(
        self, indices: Sequence[int], input_size: tuple[int, int], downscale: int,
        random: np.random.Generator,
    ) -> Batch:
        """
        Return the images of these indices, augmented by ``random``.

        They are shrunk by ``downscale`` and cut to ``input_size`` (height, width).
        """


class ClipSet(Protocol):
    """Labelled clips that are read as batches of short clips."""

    def __len__(self) -> int:
        """Return how many there are."""

    def clip_batch(
        self, indices: Sequence[int], input_size: tuple[int, int], random: np.random.Generator
    ) -> ClipBatch:
        """
        Return a piece of each of these clips, cut to ``input_size`` and augmented by ``random``.

        All frames of a clip are augmented in the same way.
        """


def mirror(batch: Batch, chosen: torch.Tensor) -> Batch:
    """Mirror the chosen images (B,) bool left to right; the x of their normals changes sign."""

    def mirrored(value: torch.Tensor) -> torch.Tensor:
        shape = (-1,) + (1,) * (value.ndim - 1)
        return torch.where(chosen.view(shape), value.flip(-1), value)

    truth = {task: mirrored(value) for task, value in batch.truth.items()}
    if 'normals' in truth:
        sign = torch.where(chosen, -1.0, 1.0).view(-1, 1, 1)
        x, y, z = truth['normals'].unbind(1)
        truth['normals'] = torch.stack((x * sign, y, z), dim=1)
    return replace(batch, image=mirrored(batch.image), truth=truth)


def recolor(image: torch.Tensor, random: np.random.Generator) -> torch.Tensor:
    """Vary white balance, brightness and contrast of (B, 3, H, W) images in 0-255."""
    count = len(image)

    def factors(spread: float, channels: int) -> torch.Tensor:
        values = random.uniform(1 - spread, 1 + spread, size=(count, channels, 1, 1))
        return torch.from_numpy(values.astype(np.float32))

    image = image * (factors(0.15, 3) * factors(0.3, 1))
    mean = image.mean(dim=(2, 3), keepdim=True)
    return ((image - mean) * factors(0.2, 1) + mean).clamp(0, 255)
