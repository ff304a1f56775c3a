"""Where a trainer's batches come from: images or films, one item after the other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from mtshare_ros.data.batches import Batch, ClipBatch, ClipSet, TrainingSet
from mtshare_ros.training.features import FeatureBatch
from mtshare_ros.training.sampling import Step

AnyBatch = Batch | ClipBatch | FeatureBatch


class Source(Protocol):
    """Makes batches of a step's items."""

    @property
    def name(self) -> str:
        """What messages call it."""

    def __len__(self) -> int:
        """Return how many items there are."""

    def batch(self, step: Step, share: Sequence[tuple[int, int]]) -> AnyBatch:
        """Return the items ``share``, pairs of place in the batch and index."""


@dataclass(frozen=True)
class ImageSource:
    """Single images."""

    images: TrainingSet
    name: str

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, step: Step, share: Sequence[tuple[int, int]]) -> Batch:
        """See Source; every image is augmented for itself."""
        phase = step.phase
        return _join([
            self.images.batch([index], phase.size, phase.downscale, step.random(place))
            for place, index in share])


@dataclass(frozen=True)
class FilmSource:
    """Short films."""

    films: ClipSet
    name: str

    def __len__(self) -> int:
        return len(self.films)

    def batch(self, step: Step, share: Sequence[tuple[int, int]]) -> ClipBatch:
        """See Source; every film is augmented for itself."""
        parts = [self.films.clip_batch([index], step.phase.size, step.random(place))
                 for place, index in share]
        return ClipBatch(torch.cat([part.frames for part in parts]),
                         _join([part.last for part in parts]))


def _join(parts: Sequence[Batch]) -> Batch:
    truth: Mapping[str, torch.Tensor] = {
        task: torch.cat([part.truth[task] for part in parts]) for task in parts[0].truth}
    return Batch(torch.cat([part.image for part in parts]), truth)
