"""Samples as training batches, and as evaluation sees them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from mtshare_ros.data.augmentation import cut, distort_colors, pad, resize
from mtshare_ros.data.batches import Batch, ClipBatch, mirror
from mtshare_ros.data.sample import ATTRIBUTES, Sample, SampleClip, SampleSet
from mtshare_ros.errors import DatasetError
from mtshare_ros.tasks import UNLABELLED

SCALES = (0.5, 2.0)
LARGEST_CLASS = 0.75
"""Share of the labelled pixels of a crop that one class should stay below."""
_CROP_TRIES = 10
_MIRRORED = 0.5


class SampleTrainingSet:
    """
    Samples as a TrainingSet, augmented as the literature on NYUD-v2 and PASCAL-Context does.

    Each image is scaled by 0.5 to 2, cropped at random, mirrored half of the time and recoloured;
    truth has the size of the image. ``tasks`` are by default all that the samples are labelled
    for.
    """

    def __init__(self, samples: SampleSet, tasks: Sequence[str] | None = None) -> None:
        self._samples = samples
        self._tasks = tuple(samples.tasks if tasks is None else tasks)

    def __len__(self) -> int:
        return len(self._samples)

    def batch(
        self, indices: Sequence[int], input_size: tuple[int, int], downscale: int,
        random: np.random.Generator,
    ) -> Batch:
        """See TrainingSet; every image of a batch is augmented by itself."""
        samples = [self._augment(self._samples[index], input_size, downscale, random)
                   for index in indices]
        batch = _stack(samples, self._tasks)
        chosen = torch.from_numpy(random.random(len(samples)) < _MIRRORED)
        return mirror(replace(batch, image=batch.image.float()), chosen)

    def _augment(self, sample: Sample, input_size: tuple[int, int], downscale: int,
                 random: np.random.Generator) -> Sample:
        # only evaluation needs the regions
        sample = resize(replace(sample, regions=None), random.uniform(*SCALES), downscale)
        sample = random_crop(sample, input_size, random)
        sample = replace(sample, image=distort_colors(sample.image, random))
        # padded last, so that the padding keeps the colour that the network takes for nothing
        return pad(sample, input_size)


class SampleClipSet:
    """
    Pieces of ``length`` frames that end at the labelled frames of clips, as a ClipSet.

    They are cropped at random and mirrored half of the time, but neither scaled nor recoloured:
    both change how much noise a patch has, which the gates rely on. Raises DatasetError where no
    clip has a labelled frame with enough frames before it.
    """

    def __init__(self, clips: Sequence[SampleClip], length: int) -> None:
        self._length = length
        self._ends = [(clip, last) for clip in clips for last in clip.labelled
                      if last >= length - 1]
        if not self._ends:
            raise DatasetError(
                f'none of {len(clips)} clips has a labelled frame with {length - 1} frames before '
                f'it, which clips of {length} frames need; record longer clips')
        self._tasks = self._ends[0][0].tasks

    def __len__(self) -> int:
        return len(self._ends)

    def clip_batch(
        self, indices: Sequence[int], input_size: tuple[int, int], random: np.random.Generator
    ) -> ClipBatch:
        """See ClipSet; every clip of a batch is augmented by itself."""
        clips = [pad(random_crop(self._clip(index), input_size, random), input_size)
                 for index in indices]
        batch = mirror(_stack(clips, self._tasks),
                       torch.from_numpy(random.random(len(clips)) < _MIRRORED))
        frames = batch.image.unflatten(1, (-1, 3))
        return ClipBatch(frames, Batch(frames[:, -1].float(), batch.truth))

    def _clip(self, index: int) -> Sample:
        """Return the last frame's sample, all frames (H, W, T x 3) in place of its image."""
        clip, last = self._ends[index]
        sample = clip[last]
        images = [clip.image(place) for place in range(last - self._length + 1, last)]
        if any(image.shape != sample.image.shape for image in images):
            raise DatasetError(f'{sample.name}: the frames before it have another size; all '
                               f'frames of the clip {clip.name} must have the same')
        return replace(sample, image=np.concatenate([*images, sample.image], axis=-1))


def fit_for_evaluation(sample: Sample, input_size: tuple[int, int]) -> Sample:
    """
    Centre a sample in ``input_size`` (height, width) without resizing; padding is not scored.

    Raises DatasetError for an image that is larger.
    """
    if any(own > side for own, side in zip(sample.size, input_size)):
        raise DatasetError(
            f'{sample.name}: the image is {sample.size[0]}x{sample.size[1]} (height x width), the '
            f"model's input {input_size[0]}x{input_size[1]}; evaluate with a larger input size or "
            'make the images and their truth smaller')
    return pad(sample, input_size)


def random_crop(sample: Sample, size: tuple[int, int], random: np.random.Generator) -> Sample:
    """
    Cut a window of at most (height, width) out of a sample.

    Up to ten windows are tried for one in which no class covers LARGEST_CLASS of what is labelled.
    """
    for _ in range(_CROP_TRIES):
        rows, columns = (_span(own, side, random) for own, side in zip(sample.size, size))
        if sample.labels is None or not _is_uniform(sample.labels[rows, columns]):
            break
    return cut(sample, rows, columns)


def _span(own: int, wanted: int, random: np.random.Generator) -> slice:
    start = int(random.integers(0, max(own - wanted, 0) + 1))
    return slice(start, start + min(own, wanted))


def _is_uniform(labels: np.ndarray) -> bool:
    counts = np.bincount(labels.ravel(), minlength=UNLABELLED + 1)[:UNLABELLED]
    return bool(counts.max() >= LARGEST_CLASS * counts.sum() > 0)


def _stack(samples: Sequence[Sample], tasks: Sequence[str]) -> Batch:
    """Return samples of one size as a batch, its images still uint8."""
    image = torch.from_numpy(np.stack([sample.image for sample in samples])).permute(0, 3, 1, 2)
    return Batch(image, {task: _truth(samples, task) for task in tasks})


def _truth(samples: Sequence[Sample], task: str) -> torch.Tensor:
    values = torch.from_numpy(np.stack([getattr(sample, ATTRIBUTES[task]) for sample in samples]))
    if task in ('semseg', 'human_parts'):
        return values.long()
    return values.permute(0, 3, 1, 2).float() if task == 'normals' else values.float()
