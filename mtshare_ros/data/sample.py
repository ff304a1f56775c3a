"""One labelled image, whatever data set it comes from."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mtshare_ros.errors import DatasetError
from mtshare_ros.tasks import LabelSet, TASKS, UNLABELLED

ATTRIBUTES = {task: spec.truth for task, spec in TASKS.items()}
"""The attribute of a sample that holds the truth of a task, by task id."""

NORMAL_SCALE = 127.0
"""Normals are stored as 8-bit integers: round(n x 127)."""

VOID = {'labels': UNLABELLED, 'human_parts': UNLABELLED, 'depth': 0, 'normals': 0,
        'edges': UNLABELLED, 'saliency': UNLABELLED}
"""What stands where nothing is known, by attribute."""


@dataclass(frozen=True)
class Sample:
    """
    A labelled image at its own size; what a data set does not label is None.

    ``image`` (H, W, 3) uint8 RGB; ``labels`` and ``human_parts`` (H, W) uint8 ids, 255 unlabelled;
    ``depth`` (H, W) float32 metres, 0 invalid; ``normals`` (H, W, 3) float32 unit vectors in the
    optical frame (x right, y down, z forward), 0 invalid; ``edges`` and ``saliency`` (H, W) uint8,
    1 yes, 0 no, 255 unlabelled.

    ``regions`` (H, W) integers whose outlines predicted edges are scored against, where these are
    not ``edges``. ``focal_length`` of the camera in pixels, None where nobody knows it. ``name``
    stands in error messages. Raises DatasetError where a map has another
    size.
    """

    image: np.ndarray
    labels: np.ndarray | None = None
    depth: np.ndarray | None = None
    normals: np.ndarray | None = None
    edges: np.ndarray | None = None
    human_parts: np.ndarray | None = None
    saliency: np.ndarray | None = None
    regions: np.ndarray | None = None
    focal_length: float | None = None
    name: str = ''

    def __post_init__(self) -> None:
        """Raise DatasetError unless all maps have the size of the image."""
        for attribute, values in self.maps().items():
            if values.shape[:2] != self.size:
                raise DatasetError(
                    f'{self.name}: {attribute} is {values.shape[0]}x{values.shape[1]} (height x '
                    f'width), the image is {self.size[0]}x{self.size[1]}; every map must have the '
                    'size of its image')

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.image.shape[0], self.image.shape[1]

    def maps(self) -> dict[str, np.ndarray]:
        """Return everything but the image that there is, by attribute."""
        maps = {name: getattr(self, name) for name in (*ATTRIBUTES.values(), 'regions')}
        return {name: values for name, values in maps.items() if values is not None}


class SampleSet(Protocol):
    """A split of a data set: samples by index, all of them labelled for the same tasks."""

    @property
    def name(self) -> str:
        """What the data set is called in messages."""

    @property
    def tasks(self) -> tuple[str, ...]:
        """The ids of the tasks whose truth every sample holds."""

    @property
    def labels(self) -> LabelSet:
        """The classes of ``Sample.labels``; empty where there are none."""

    @property
    def focal_length(self) -> float | None:
        """Focal length of all images in pixels of their own size, where it is known."""

    def __len__(self) -> int:
        """Return how many samples there are."""

    def __getitem__(self, index: int) -> Sample:
        """Read a sample; raise DatasetError, naming the file, where one is damaged."""


class SampleClip(Protocol):
    """The frames of one video in the order of time, some or all of them labelled."""

    @property
    def name(self) -> str:
        """What the clip is called in messages."""

    @property
    def tasks(self) -> tuple[str, ...]:
        """The ids of the tasks whose truth labelled frames hold."""

    @property
    def labelled(self) -> tuple[int, ...]:
        """The indices of the labelled frames, rising."""

    def __len__(self) -> int:
        """Return how many frames there are."""

    def image(self, index: int) -> np.ndarray:
        """Read the image of a frame: (H, W, 3) uint8 RGB."""

    def __getitem__(self, index: int) -> Sample:
        """Read a frame with its truth, if it has one."""
