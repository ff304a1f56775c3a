"""Data of your own, in the layout that docs/datasets.md describes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
import math
from pathlib import Path

import numpy as np
import yaml

from mtshare_ros.config import load_config, require
from mtshare_ros.data.images import (
    read_binary,
    read_depth,
    read_edges,
    read_ids,
    read_normals,
    read_rgb,
)
from mtshare_ros.data.sample import ATTRIBUTES, Sample
from mtshare_ros.data.tree import DatasetTree
from mtshare_ros.errors import DatasetError
from mtshare_ros.file_paths import natural_key
from mtshare_ros.image_files import IMAGE_ENDINGS
from mtshare_ros.tasks import LabelSet, read_labels, TASKS

LABEL_FILE = 'labels.yaml'
CAMERA_FILE = 'camera.yaml'
_CLIPS = 'clips'


@dataclass(frozen=True)
class Camera:
    """What ``camera.yaml`` says: image size, focal lengths and principal point in pixels."""

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float

    def __post_init__(self) -> None:
        """Raise ConfigError for sizes and focal lengths that no camera has."""
        for name in ('width', 'height', 'fx', 'fy'):
            value = getattr(self, name)
            require(0 < value < math.inf, name, value, 'a positive number of pixels')


class FolderDataset:
    """
    A split of your own data, a folder of any name; see SampleSet.

    Samples are the single images of the split, then the labelled frames of its ``clips``, which
    stay accessible as a whole. ``camera`` is None without ``camera.yaml``. Raises DatasetError for
    what is missing or does not fit together.
    """

    def __init__(self, root: Path, split: str) -> None:
        tree = DatasetTree('a data set of your own', Path(root))
        self.name = tree.root.resolve().name
        folders = _frame_folders(tree, split)
        self.tasks = _common_tasks(folders)
        self.labels = _labels(tree.root / LABEL_FILE, self.name, 'semseg' in self.tasks)
        camera = tree.root / CAMERA_FILE
        self.camera = load_config(camera, Camera) if camera.exists() else None
        self._parts = [FrameFolder(folder, len(self.labels), self.focal_length)
                       for folder in folders]
        self.clips = tuple(part for part, folder in zip(self._parts, folders)
                           if folder.parent.name == _CLIPS)
        self._places = [(part, index) for part in self._parts for index in part.labelled]
        self._check_camera(camera)

    @property
    def focal_length(self) -> float | None:
        """Focal length in pixels, where ``camera.yaml`` tells it."""
        return None if self.camera is None else self.camera.fx

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> Sample:
        part, place = self._places[index]
        return part[place]

    def _check_camera(self, path: Path) -> None:
        """Raise DatasetError where the images have another size than those of the camera."""
        if self.camera is None:
            return
        height, width = self._parts[0].image(0).shape[:2]
        if (self.camera.width, self.camera.height) != (width, height):
            raise DatasetError(
                f'{path} is for images of {self.camera.width}x{self.camera.height}, those of '
                f'{self._parts[0].name} are {width}x{height} (width x height); scale its numbers')


def _frame_folders(tree: DatasetTree, split: str) -> list[Path]:
    """Return the folders of a split that hold images: the split itself, then its clips."""
    folder = tree.root / split
    if not folder.is_dir():
        known = ', '.join(sorted(path.name for path in tree.root.iterdir() if path.is_dir()))
        raise DatasetError(f'{folder} is missing: no split {split!r}; folders found in '
                           f'{tree.root}: {known or "none"} (docs/datasets.md shows the layout)')
    found = [path for path in (folder, *sorted((folder / _CLIPS).glob('*'), key=natural_key))
             if (path / IMAGE_FOLDER).is_dir()]
    if not found:
        raise DatasetError(f'{folder} holds neither images in {IMAGE_FOLDER}/ nor clips in '
                           f'{_CLIPS}/NAME/{IMAGE_FOLDER}/ (docs/datasets.md shows the layout)')
    return found


def _common_tasks(folders: list[Path]) -> tuple[str, ...]:
    """Return the tasks of the folders; raise DatasetError where they differ."""
    tasks = tasks_of(folders[0])
    for folder in folders:
        differing = set(tasks).symmetric_difference(tasks_of(folder))
        if differing:
            raise DatasetError(
                f'{folders[0]} has truth of {", ".join(tasks) or "nothing"}, {folder} of '
                f'{", ".join(tasks_of(folder)) or "nothing"}; all images need the same folders')
    if not tasks:
        raise DatasetError(f'{folders[0]} holds no truth beside {IMAGE_FOLDER}/; expected is one '
                           f'or more of {", ".join(TRUTH_FOLDERS.values())}')
    return tasks


def _labels(path: Path, name: str, needed: bool) -> LabelSet:
    """Read the classes; none at all where no task needs them."""
    if not needed:
        return LabelSet(name, (), ())
    try:
        return replace(read_labels(path), name=name)
    except FileNotFoundError:
        raise DatasetError(
            f'{path} is missing; it names the classes of semseg, one a line: '
            '- {id: 0, name: wall, rgb: [174, 199, 232]}') from None
    except yaml.YAMLError as error:
        raise DatasetError(f'{path} is not YAML: {error}') from error


IMAGE_FOLDER = 'rgb'
TRUTH_FOLDERS = {'semseg': 'semseg', 'depth': 'depth', 'normals': 'normals', 'edge': 'edges',
                 'human_parts': 'human_parts', 'saliency': 'saliency'}
"""The folder beside ``rgb`` that holds the truth of a task, by task id."""

_MAPS = ('.png', '.npy')


class FrameFolder:
    """
    Frames of a folder: ``rgb/NAME.png`` and the truth ``TASK/NAME.png``; see SampleClip.

    Its tasks are those that have a folder. A frame is labelled for all of them or for none; names
    are in natural order, 9 before 10. ``class_count`` is the number of classes of ``semseg``,
    ``focal_length`` that of the camera in pixels. Raises DatasetError for what does not fit
    together.
    """

    def __init__(
        self, folder: Path, class_count: int, focal_length: float | None = None
    ) -> None:
        self.name = f'{folder.parent.name}/{folder.name}'
        self.tasks = tasks_of(folder)
        self._folder = folder
        self._focal_length = focal_length
        self._images = sorted(_files(folder / IMAGE_FOLDER, IMAGE_ENDINGS).values(),
                              key=natural_key)
        self._truth = {task: _files(folder / TRUTH_FOLDERS[task], _MAPS) for task in self.tasks}
        self._readers = _readers(class_count)
        self.labelled = tuple(index for index in range(len(self)) if self._is_labelled(index))
        if not self.labelled:
            raise DatasetError(
                f'{folder} holds {len(self)} images in {IMAGE_FOLDER}/, but none with truth of '
                f'the same name in one of {", ".join(TRUTH_FOLDERS.values())}')

    def __len__(self) -> int:
        return len(self._images)

    def image(self, index: int) -> np.ndarray:
        """Read the image of a frame: (H, W, 3) uint8 RGB."""
        return read_rgb(self._images[index], lambda: _size(self._maps(index)))

    def __getitem__(self, index: int) -> Sample:
        maps = self._maps(index)
        return Sample(
            read_rgb(self._images[index], lambda: _size(maps)), focal_length=self._focal_length,
            name=f'{self.name}/{self._images[index].stem}', **maps)

    def _maps(self, index: int) -> dict[str, np.ndarray]:
        """Read the truth of a frame by attribute of a sample."""
        name = self._images[index].stem
        return {ATTRIBUTES[task]: self._readers[task](files[name])
                for task, files in self._truth.items() if name in files}

    def _is_labelled(self, index: int) -> bool:
        """Tell whether a frame has truth; raise DatasetError where it lacks part of it."""
        name = self._images[index].stem
        lacking = [task for task, files in self._truth.items() if name not in files]
        if lacking and len(lacking) < len(self.tasks):
            raise DatasetError(
                f'{self._folder / TRUTH_FOLDERS[lacking[0]]} has no {name}.png or {name}.npy, but '
                'other folders have truth of that image; a frame has all of it or none')
        return not lacking


def tasks_of(folder: Path) -> tuple[str, ...]:
    """Return the tasks whose truth a folder holds."""
    return tuple(task for task in TRUTH_FOLDERS if (folder / TRUTH_FOLDERS[task]).is_dir())


def _files(folder: Path, extensions: tuple[str, ...]) -> dict[str, Path]:
    """Return the files of a folder by name without extension, each name once."""
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in extensions:
            continue
        if path.stem in files:
            raise DatasetError(f'{folder} holds both {files[path.stem].name} and {path.name}; '
                               'expected is one file of each name: remove or rename one')
        files[path.stem] = path
    return files


def _size(maps: Mapping[str, np.ndarray]) -> tuple[int, ...] | None:
    """Return the (height, width) of the first of some maps, None where there are none."""
    return next((values.shape[:2] for values in maps.values()), None)


def _readers(class_count: int) -> dict[str, Callable[[Path], np.ndarray]]:
    return {
        'semseg': partial(read_ids, count=class_count), 'depth': read_depth,
        'normals': partial(read_normals, unit_only=True), 'edge': read_edges,
        'human_parts': partial(read_ids, count=TASKS['human_parts'].channels),
        'saliency': read_binary,
    }
