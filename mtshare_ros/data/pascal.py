"""PASCAL-Context as multi-task work distributes it: classes, human parts, saliency and more."""

from pathlib import Path

import numpy as np

from mtshare_ros.data.context_classes import NORMAL_CLASSES
from mtshare_ros.data.human_parts import read_human_parts
from mtshare_ros.data.images import (
    read_binary,
    read_ids,
    read_mat,
    read_normals,
    read_stored_rgb,
)
from mtshare_ros.data.normal_frame import signs_of_folder
from mtshare_ros.data.region_edges import laplacian_edges
from mtshare_ros.data.sample import Sample
from mtshare_ros.data.tree import DatasetTree
from mtshare_ros.errors import DatasetError
from mtshare_ros.labels import LabelSet, load_labels

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
