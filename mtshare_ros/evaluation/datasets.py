"""The data sets that models are evaluated on: single images or clips, with their truth."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterator, Sequence, TypeVar

import numpy as np

from mtshare_ros.config import require
from mtshare_ros.data.disk_datasets import open_samples
from mtshare_ros.data.folder import FolderDataset, FrameFolder
from mtshare_ros.data.rooms.views import View
from mtshare_ros.data.sample import SampleSet
from mtshare_ros.data.transforms import fit_for_evaluation
from mtshare_ros.errors import ConfigError, DatasetError
from mtshare_ros.evaluation.clip_evaluation import ClipFrame, EvaluationClip
from mtshare_ros.evaluation.room_data import (
    CLIP_FRAMES,
    fixed_views,
    render_fixed_views,
    room_clips,
    room_labels,
)
from mtshare_ros.evaluation.truth_and_rules import tasks_with_truth
from mtshare_ros.inference.engine import Engine
from mtshare_ros.tasks import DEFAULT_TASKS, LabelSet, ordered

INPUT_SIZES = {'nyud': (448, 576), 'pascal': (512, 512)}
"""(height, width) that the literature evaluates at; other data sets use the model's own size."""

_FOLDERS = {'validation': 'val', 'test': 'test'}

T = TypeVar('T')


@dataclass(frozen=True)
class EvaluationSet:
    """
    The frames of a data set that are evaluated; ``labels`` are the classes of its masks.

    Single images are clips of a few frames that are evaluated one by one: ``in_motion`` is False.
    Clips can be pickled, and evaluated apart from each other.
    """

    dataset: str
    split: str
    tasks: tuple[str, ...]
    labels: LabelSet
    clips: Sequence[EvaluationClip]
    in_motion: bool

    @property
    def length(self) -> int:
        """Number of frames in all clips."""
        return sum(len(clip) for clip in self.clips)

    @property
    def origin(self) -> dict[str, Any]:
        """Description of the data in reports; metrics compare only where all of it is equal."""
        names = [clip.name for clip in self.clips] if self.in_motion else None
        return {'dataset': self.dataset, 'split': self.split, 'images': self.length,
                'clips': names}


_IMAGES_TOGETHER = 8
"""Single images that are evaluated by one process in a row: the views of two rooms."""


@dataclass(frozen=True)
class _RoomViews:
    """Views of rooms, each evaluated alone."""

    views: Sequence[View]
    name: str = 'views'

    def __len__(self) -> int:
        return len(self.views)

    def frames(self, size: tuple[int, int]) -> Iterator[ClipFrame]:
        return map(ClipFrame, render_fixed_views(list(self.views), size=size))


@dataclass(frozen=True)
class _StoredImages:
    """Single images of a data set on disk, each evaluated alone."""

    samples: SampleSet
    places: Sequence[int]
    name: str = 'images'

    def __len__(self) -> int:
        return len(self.places)

    def frames(self, size: tuple[int, int]) -> Iterator[ClipFrame]:
        for place in self.places:
            yield ClipFrame(fit_for_evaluation(self.samples[place], size))


@dataclass(frozen=True)
class _StoredClip:
    """A clip from a folder; the share of its patches that change is unknown."""

    clip: FrameFolder

    @property
    def name(self) -> str:
        return self.clip.name

    def __len__(self) -> int:
        return len(self.clip)

    def frames(self, size: tuple[int, int]) -> Iterator[ClipFrame]:
        for number in range(len(self)):
            yield ClipFrame(fit_for_evaluation(self.clip[number], size))


def open_images(
    dataset: str, root: Path | None, split: str | None, count: int | None
) -> EvaluationSet:
    """
    Open ``count`` images of a data set, evenly spread over it; None opens all of them.

    ``root`` is the folder of the data set; ``rooms`` have none. ``split`` is validation or test;
    None is test for ``rooms``, else validation. Raises ConfigError for a wrong argument and
    DatasetError for missing files.
    """
    root, split = _checked_root(dataset, root), split or _usual_split(dataset)
    if root is None:
        views = fixed_views(split, count)
        return EvaluationSet(dataset, split, DEFAULT_TASKS, room_labels(),
                             [_RoomViews(part) for part in _together(views)], False)
    samples = open_samples(dataset, root, _FOLDERS[split])
    places = _places(len(samples), count).tolist()
    return EvaluationSet(dataset, split, samples.tasks, samples.labels,
                         [_StoredImages(samples, part) for part in _together(places)], False)


def open_clips(
    dataset: str, root: Path | None, split: str | None, count: int | None,
    motion: str | None = None, frames: int | None = None,
) -> EvaluationSet:
    """
    Open ``count`` clips of a data set; None opens all of them.

    Only ``rooms`` and ``folder`` have clips. ``motion`` and ``frames``, the length of a clip, are
    for rooms only. The other arguments and the errors are those of ``open_images``.
    """
    root, split = _checked_root(dataset, root), split or _usual_split(dataset)
    if root is None:
        clips = room_clips(split, motion, count, CLIP_FRAMES if frames is None else frames)
        return EvaluationSet(dataset, split, DEFAULT_TASKS, room_labels(), clips, True)
    if dataset != 'folder':
        raise ConfigError(f'the data set {dataset} has no clips; rooms and folder do')
    if motion is not None or frames is not None:
        raise ConfigError('--motion and --frames are for rooms, which are rendered; leave them '
                          'out for the clips of a folder')
    samples = FolderDataset(root, _FOLDERS[split])
    if not samples.clips:
        raise DatasetError(f'{root / _FOLDERS[split]} holds no clips; allowed are clips/NAME/ '
                           'with the files of single images (docs/datasets.md shows the layout)')
    found = [_StoredClip(samples.clips[place]) for place in _places(len(samples.clips), count)]
    return EvaluationSet(dataset, split, samples.tasks, samples.labels, found, True)


def tasks_to_score(
    engine: Engine, data: EvaluationSet, wanted: Sequence[str] | None = None
) -> tuple[str, ...]:
    """
    Return the tasks, among those ``wanted``, that a model has and a data set has the truth of.

    ``wanted`` None means all. Raises ConfigError where there are no such tasks, where one of
    ``wanted`` is not among them, or where masks would be scored against a truth of other classes.
    """
    both = tuple(task for task in tasks_with_truth(engine) if task in data.tasks)
    tasks = both if wanted is None else ordered(wanted)
    absent = [task for task in tasks if task not in both]
    if not both or absent:
        raise ConfigError(f'the model has {_words_of(engine)}, the data set {data.dataset} '
                          f'the truth of {", ".join(data.tasks)}: {_lacking(absent)}')
    if 'semseg' in tasks and engine.labels.names != data.labels.names:
        raise ConfigError(
            f'the model has the {len(engine.labels)} classes of {engine.labels.name}, the data '
            f'set {data.dataset} the {len(data.labels)} of {data.labels.name}: its masks cannot '
            'be compared with that truth; take a model that was trained on those classes'
            + _without_classes(both))
    return tasks


def _words_of(engine: Engine) -> str:
    """Return the tasks of a model as text that marks those with a depth not in metres."""
    known = tasks_with_truth(engine)
    return ', '.join(task if task in known else f'{task} without metres' for task in engine.tasks)


def _without_classes(both: Sequence[str]) -> str:
    others = [task for task in both if task != 'semseg']
    return f', or leave semseg out: --tasks {",".join(others)}' if others else ''


def _lacking(absent: Sequence[str]) -> str:
    return f'{absent[0]} is not in both; leave it out of --tasks' if absent else \
        'no task is in both'


def _checked_root(dataset: str, root: Path | None) -> Path | None:
    """Return the folder of a data set; raise ConfigError where it is missing or not needed."""
    if dataset == 'rooms' and root is not None:
        raise ConfigError(f'--root is {root}, but rooms are rendered during the evaluation and '
                          'need no folder; leave it out')
    if dataset != 'rooms' and root is None:
        raise ConfigError(f'the data set {dataset} is read from a folder; name it: --root DIR')
    return root


def _usual_split(dataset: str) -> str:
    return 'test' if dataset == 'rooms' else 'validation'


def _together(images: Sequence[T]) -> list[Sequence[T]]:
    return [images[start:start + _IMAGES_TOGETHER]
            for start in range(0, len(images), _IMAGES_TOGETHER)]


def _places(length: int, count: int | None) -> np.ndarray:
    """Return the indices of ``count`` of ``length`` samples, evenly spread."""
    count = length if count is None else count
    require(1 <= count <= length, 'count', count, f'1 to {length}, the samples of the split')
    return np.arange(count) * length // count
