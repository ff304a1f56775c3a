"""NYUD-v2 as multi-task work distributes it: 1449 rooms with classes, depth, normals, edges."""

from pathlib import Path

import numpy as np

from mtshare_ros.data.images import (
    read_depth,
    read_edges,
    read_ids,
    read_normals,
    read_stored_rgb,
)
from mtshare_ros.data.normal_frame import signs_of_folder
from mtshare_ros.data.sample import Sample
from mtshare_ros.data.tree import DatasetTree
from mtshare_ros.tasks import LabelSet, load_labels, UNLABELLED

_FOCAL_LENGTH = 518.86
"""Of the Kinect's colour camera in pixels, from the calibration published with the data."""

_FILES = {'images': ('images', ('.png', '.jpg')),
          'segmentation': ('class maps', ('.png',)),
          'depth': ('depth maps', ('.npy',)),
          'normals': ('normal maps', ('.png', '.npy')),
          'edge': ('edge maps', ('.png', '.npy'))}
"""What lies in each folder: the pictures of the newer archive, the arrays of the older one."""


class NyudDataset:
    """
    A split (``train`` or ``val``) of NYUD-v2; see SampleSet.

    Takes both archives, ``NYUDv2`` and the older ``NYUD_MT``. Published figures of edges take the
    stored map for a map of regions: predictions are scored against the outlines of its lines, two
    for each line that is not thin. Raises DatasetError for what is missing.
    """

    name = 'nyud'
    tasks = ('semseg', 'depth', 'normals', 'edge')
    focal_length: float | None = _FOCAL_LENGTH

    def __init__(self, root: Path, split: str) -> None:
        tree = DatasetTree('NYUD-v2', Path(root))
        self.labels: LabelSet = load_labels('nyu40')
        self._ids = tree.split('gt_sets', split)
        self._paths = {folder: tree.files((folder,), holds, self._ids, extensions)
                       for folder, (holds, extensions) in _FILES.items()}
        self._signs = signs_of_folder(tree.listing('normals', 'normal maps'))

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, index: int) -> Sample:
        paths = {folder: files[index] for folder, files in self._paths.items()}
        edges = read_edges(paths['edge'])
        return Sample(
            image=read_stored_rgb(paths['images']),
            labels=self._classes(paths['segmentation']),
            depth=read_depth(paths['depth']),
            normals=read_normals(paths['normals']) * self._signs,
            edges=edges,
            regions=edges.astype(np.int32),
            focal_length=self.focal_length,
            name=f'{self.name} {self._ids[index]}',
        )

    def _classes(self, path: Path) -> np.ndarray:
        """Read classes: 0 is unlabelled, the first class is 1."""
        stored = read_ids(path, len(self.labels) + 1)
        return np.where(stored == 0, UNLABELLED, stored - (stored != UNLABELLED)).astype(np.uint8)
