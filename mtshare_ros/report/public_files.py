"""Photographs and videos that anybody can get from a package registry, with their licences."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from mtshare_ros.errors import DatasetError, MissingExtraError

_HOW_TO_GET = (
    'install the package opencv-doc of Debian or Ubuntu, or unpack it anywhere: apt-get download '
    'opencv-doc && dpkg -x opencv-doc_*.deb opencv, then --opencv-doc opencv')


@dataclass(frozen=True)
class PublicFile:
    """
    A file of a package: its name on the page, what it shows, and its licence.

    ``shared`` says that pictures made from it may be published without asking for permission.
    """

    name: str
    file: str
    shows: str
    licence: str
    shared: bool


@dataclass(frozen=True)
class FoundFile:
    """A public file and its path on this machine."""

    what: PublicFile
    path: Path


PHOTOGRAPHS = (
    PublicFile('astronaut', 'astronaut.png', 'a woman in front of a flag and a model rocket',
               'public domain (NASA)', True),
    PublicFile('camera', 'camera.png', 'a man with a camera on a meadow, grey',
               'CC0 (Lav Varshney)', True),
    PublicFile('cat', 'chelsea.png', 'the face of a cat', 'CC0 (Stefan van der Walt)', True),
    PublicFile('coffee', 'coffee.png', 'a cup of coffee on a wooden table',
               'CC0 (Rachel Michetti)', True),
)
"""Photographs of scikit-image; their licences are in its documentation of ``skimage.data``."""

MOTORCYCLE = PublicFile(
    'motorcycle', 'motorcycle_left.png', 'a motorcycle in a workshop, with measured disparity',
    'Middlebury 2014 stereo data, no licence stated in scikit-image', False)
DISPARITY = 'motorcycle_disp.npz'

CLIPS = (
    PublicFile('street', 'vtest.avi', 'people crossing a yard, from a fixed camera',
               'Apache-2.0 as part of OpenCV, but recorded for PETS 2009', False),
    PublicFile('box', 'box.mp4', 'a box turned by hand in front of a fixed camera',
               'Apache-2.0 as part of OpenCV, but it shows the artwork of a product', False),
    PublicFile('cup', 'cup.mp4', 'a cup moved by hand in front of a wall',
               'Apache-2.0 (OpenCV)', True),
)
"""Videos of the package opencv-doc; some are compressed there and end in .gz."""


def photograph_folder() -> Path:
    """Return scikit-image's folder of photographs; raise MissingExtraError where it is missing."""
    found = find_spec('skimage')
    if found is None or found.origin is None:
        raise MissingExtraError(
            'the photographs come with scikit-image, which is not installed: pip install '
            "'mtshare_ros[train]'")
    return Path(found.origin).parent / 'data'


def find_photographs(folder: Path) -> list[FoundFile]:
    """Return the photographs, the motorcycle last; raise DatasetError where one is missing."""
    return [_in_folder(what, folder) for what in (*PHOTOGRAPHS, MOTORCYCLE)]


def find_clips(folder: Path) -> list[FoundFile]:
    """Return the videos of an unpacked opencv-doc; raise DatasetError where one is missing."""
    return [_anywhere(what, folder) for what in CLIPS]


def _in_folder(what: PublicFile, folder: Path) -> FoundFile:
    path = folder / what.file
    if not path.is_file():
        raise DatasetError(f'{path}: this photograph is missing; pip install --force-reinstall '
                           f'scikit-image')
    return FoundFile(what, path)


def _anywhere(what: PublicFile, folder: Path) -> FoundFile:
    found = [path for ending in ('', '.gz') for path in folder.rglob(what.file + ending)]
    if not found:
        raise DatasetError(f'{folder}: holds no {what.file}; {_HOW_TO_GET}')
    return FoundFile(what, sorted(found)[0])
