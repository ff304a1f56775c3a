"""The parts of people, from the annotation files of PASCAL-Part."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mtshare_ros.data.images import read_mat
from mtshare_ros.errors import DatasetError
from mtshare_ros.tasks import UNLABELLED

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
