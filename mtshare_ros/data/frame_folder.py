"""Images of one folder in the order of their names, and the truth that lies beside them."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from mtshare_ros.data.images import (
    read_binary,
    read_depth,
    read_edges,
    read_ids,
    read_normals,
    read_rgb,
)
from mtshare_ros.data.sample import ATTRIBUTES, Sample
from mtshare_ros.errors import DatasetError
from mtshare_ros.image_files import IMAGE_ENDINGS
from mtshare_ros.natural_order import natural_key
from mtshare_ros.tasks import TASKS

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
