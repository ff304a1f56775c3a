"""PASCAL-Context as multi-task work distributes it: classes, human parts, saliency and more."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mtshare_ros.data.images import (
    read_binary,
    read_ids,
    read_mat,
    read_normals,
    read_stored_rgb,
    require_library,
)
from mtshare_ros.data.normal_frame import signs_of_folder
from mtshare_ros.data.sample import Sample
from mtshare_ros.data.tree import DatasetTree
from mtshare_ros.errors import DatasetError
from mtshare_ros.tasks import LabelSet, load_labels, UNLABELLED

NORMAL_CLASSES = (
    3, 4, 6, 9, 10, 11, 13, 15, 17, 18, 22, 23, 29, 30, 33, 34, 36, 37, 38, 39, 41, 43, 46, 49,
    50, 51, 53, 55, 56, 59, 61, 62, 65, 66, 68, 69, 72, 73, 78, 83, 84, 85, 87, 88, 95, 96, 101,
    104, 105, 107, 111, 113, 115, 122, 124, 135, 141, 142, 143, 146, 150, 154, 157, 158, 159, 165,
    172, 174, 181, 183, 184, 191, 193, 195, 197, 199, 202, 213, 215, 216, 219, 220, 223, 225, 228,
    230, 232, 233, 238, 239, 242, 243, 246, 250, 251, 252, 255, 260, 261, 263, 269, 272, 273, 275,
    281, 283, 284, 285, 286, 287, 288, 290, 291, 292, 293, 295, 304, 307, 309, 310, 314, 315, 319,
    323, 329, 330, 331, 336, 342, 345, 349, 350, 351, 352, 355, 357, 368, 370, 371, 374, 379, 380,
    383, 384, 397, 401, 403, 405, 407, 408, 411, 412, 413, 414, 417, 419, 421, 423, 427, 429, 430,
    432, 440, 441, 442, 443, 444, 446, 454, 457,
)
"""
Where normals count: the ids whose names are also among the 894 of NYU Depth v2.

The normals of PASCAL-Context were predicted by a network trained there, so they are trusted on
such things only. Without 'unknown', and with 'tvmonitor' (427), which NYU calls television.
"""


_PERSON = 15
_IN_THE_MIDDLE = {'head': 1, 'hair': 1, 'mouth': 1, 'nose': 1, 'neck': 2, 'torso': 2}
_LEFT_AND_RIGHT = {'eye': 1, 'ear': 1, 'ebrow': 1, 'uarm': 3, 'larm': 4, 'hand': 4, 'uleg': 5,
                   'lleg': 6, 'foot': 6}
PARTS = {**_IN_THE_MIDDLE,
         **{f'{side}{name}': part for side in 'lr' for name, part in _LEFT_AND_RIGHT.items()}}
"""Head, torso, upper arm, lower arm, upper leg, lower leg by the names of the annotations."""


def read_human_parts(path: Path, size: tuple[int, int]) -> np.ndarray:
    """
    Read the parts (H, W) uint8 of all people: 0 background, 1 to 6.

    An image without any annotated part is unlabelled (255) everywhere and not scored. A person
    without parts beside one with parts is background, as in the published figures. Raises
    DatasetError for a damaged file.
    """
    annotation = read_mat(path, 'anno')
    parts = np.zeros(size, np.uint8)
    try:
        for name, mask in _parts_of_people(annotation):
            parts[mask] = PARTS[name]
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise DatasetError(
            f'{path} should hold the objects of an image of {size[0]}x{size[1]} (height x width) '
            f'and the parts of each, but does not ({type(error).__name__}: {error}); get the file '
            'anew') from error
    return parts if parts.any() else np.full(size, UNLABELLED, np.uint8)


def _parts_of_people(annotation: Any) -> Iterator[tuple[str, np.ndarray]]:
    """Iterate over the name and the mask of each part; MATLAB wraps every value in an array."""
    _, things = annotation[0, 0]
    for thing in np.ravel(things):
        _, class_id, _, parts = thing
        if int(np.ravel(class_id)[0]) == _PERSON:
            for part in np.ravel(parts):
                name, mask = part
                yield str(np.ravel(name)[0]), np.asarray(mask).astype(bool)


def laplacian_edges(regions: np.ndarray) -> np.ndarray:
    """
    Return where the Laplacian of a map of ids (H, W) is not 0, thinned to lines of one pixel.

    (H, W) bool; the edges that networks learn on PASCAL-Context. Raises MissingExtraError without
    scikit-image.
    """
    # reflected, so that the border of the image is no edge
    padded = np.pad(regions.astype(np.int64), 1, mode='reflect')
    around = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
    thin = require_library('skimage.morphology').thin
    return thin(around != 4 * padded[1:-1, 1:-1])


_FILES = {'image': (('JPEGImages',), 'images', '.jpg'),
          'classes': (('semseg/VOC12', 'semseg/pascal-context'), 'class maps', '.png'),
          'parts': (('human_parts',), 'human parts', '.mat'),
          'normals': (('normals_distill',), 'normal maps', '.png'),
          'saliency': (('sal_distill',), 'saliency maps', '.png'),
          'regions': (('pascal-context/trainval',), 'maps of all 459 classes', '.mat')}
"""Where a sample's files lie, the first of several folders that has one; what they hold."""


class PascalContextDataset:
    """
    A split (``train`` or ``val``) of PASCAL-Context; see SampleSet.

    Classes are those of VOC 2012 where an image has them, else those of PASCAL-Context in the same
    21 classes. Normals count on classes only that NYU Depth v2 has too. Raises DatasetError for
    what is missing, MissingExtraError, when a sample is read, without SciPy or scikit-image.
    """

    name = 'pascal'
    tasks = ('semseg', 'normals', 'edge', 'human_parts', 'saliency')
    focal_length: float | None = None

    def __init__(self, root: Path, split: str) -> None:
        tree = DatasetTree('PASCAL-Context', Path(root))
        self.labels: LabelSet = load_labels('pascal21')
        self._ids = tree.split('ImageSets/Context', split)
        self._paths = {kind: tree.files(folders, holds, self._ids, (extension,))
                       for kind, (folders, holds, extension) in _FILES.items()}
        self._signs = signs_of_folder(tree.listing('normals_distill', 'normal maps'))

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, index: int) -> Sample:
        paths = {kind: files[index] for kind, files in self._paths.items()}
        image = read_stored_rgb(paths['image'])
        regions = self._regions(paths['regions'])
        return Sample(
            image=image,
            labels=read_ids(paths['classes'], len(self.labels)),
            normals=self._normals(paths['normals'], regions),
            edges=laplacian_edges(regions).astype(np.uint8),
            human_parts=read_human_parts(paths['parts'], (image.shape[0], image.shape[1])),
            saliency=read_binary(paths['saliency']),
            regions=regions,
            name=f'{self.name} {self._ids[index]}',
        )

    def _regions(self, path: Path) -> np.ndarray:
        """Read the map of all 459 classes."""
        regions = read_mat(path, 'LabelMap')
        if regions.ndim != 2 or regions.dtype.kind not in 'uif':
            raise DatasetError(f'{path} should hold LabelMap, numbers (H, W), but holds '
                               f'{regions.shape} {regions.dtype}')
        return regions.astype(np.int32)

    def _normals(self, path: Path, regions: np.ndarray) -> np.ndarray:
        """Read the normals where they can be trusted."""
        normals = read_normals(path) * self._signs
        if normals.shape[:2] != regions.shape:
            return normals  # refused by Sample, which knows the size of the image
        return np.where(np.isin(regions, NORMAL_CLASSES)[..., None], normals, 0)
