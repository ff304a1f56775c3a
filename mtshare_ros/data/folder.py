"""Data of one's own, in the layout that docs/datasets.md describes."""

from dataclasses import dataclass, replace
import math
from pathlib import Path

import yaml

from mtshare_ros.config import load_config, require
from mtshare_ros.data.frame_folder import FrameFolder, IMAGE_FOLDER, tasks_of, TRUTH_FOLDERS
from mtshare_ros.data.sample import Sample
from mtshare_ros.data.tree import DatasetTree
from mtshare_ros.errors import DatasetError
from mtshare_ros.labels import LabelSet, read_labels
from mtshare_ros.natural_order import natural_key

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
    A split, a folder of any name, of one's own data; see SampleSet.

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
        self.camera = _read_camera(tree.root / CAMERA_FILE)
        self._parts = [FrameFolder(folder, len(self.labels), self.focal_length)
                       for folder in folders]
        self.clips = tuple(part for part, folder in zip(self._parts, folders)
                           if folder.parent.name == _CLIPS)
        self._places = [(part, index) for part in self._parts for index in part.labelled]
        self._check_camera(tree.root / CAMERA_FILE)

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


def _read_camera(path: Path) -> Camera | None:
    return load_config(path, Camera) if path.exists() else None


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
