"""Where frames without a bag come from: image files and folders of them, a video, a camera."""

from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Callable, Iterator, Sequence

from mtshare_ros.errors import FrameError, import_extra, RecordingError
from mtshare_ros.file_paths import natural_key
from mtshare_ros.image_files import IMAGE_ENDINGS, load_pillow, read_image_file
from mtshare_ros.recording.frames import FrameSource, Listener, RecordedFrame
from mtshare_ros.recording.video_source import (
    device_of,
    is_address,
    open_camera,
    open_stream,
    open_video,
)

IMAGE_PERIOD_NS = 500_000_000
"""The time between images in a video of them, as image files have no times."""

_NAMED = 5
"""How many files of a folder are named where they are left out."""

_NAMINGS: tuple[Callable[[Path], str], ...] = (
    lambda file: file.stem,
    lambda file: f'{file.stem}_{file.suffix[1:]}',
    lambda file: f'{file.absolute().parent.name}_{file.stem}',
    lambda file: f'{file.absolute().parent.name}_{file.stem}_{file.suffix[1:]}',
    lambda file: '_'.join(file.absolute().parts[1:]),
)
"""Names for the maps of an image; the first that no other image has is taken."""


def open_images(paths: Sequence[Path]) -> FrameSource:
    """
    Return the images among files and directly inside folders, folders in natural order.

    Raises RecordingError where there are none, or where a folder cannot be read.
    """
    files = ImageFiles(paths)
    return FrameSource(len(files.names), False, files.read)


class ImageFiles:
    """
    The images among files and directly inside folders, folders in natural order.

    ``names`` has, for each file, the name of its maps. Raises RecordingError where there are no
    images, or where a folder cannot be read.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        listings = {path: _list(path) for path in paths}
        # a file that is given twice, or by a link, is computed once
        files = list(
            {file.resolve(): file for path in paths for file in listings[path][0]}.values())
        self._notes = [
            f'{path}: {_left_out(others)}' for path, (_, others) in listings.items() if others]
        if not files:
            raise RecordingError(f'{"; ".join(self._notes) or paths[0]}: holds no images; their '
                                 f'names end with {", ".join(IMAGE_ENDINGS)}')
        # checked here, so that the run does not fail at its first image
        import_extra('PIL.Image', 'reading images', 'cli')
        self.names = output_names(files)
        self._notes += _renamed(self.names)

    def read(self, listener: Listener, first: int = 0) -> Iterator[RecordedFrame]:
        """Yield the images from number ``first`` on."""
        # only now, because opening a source has no listener
        for note in self._notes:
            listener.note(note)
        for number, (file, name) in islice(enumerate(self.names.items()), first, None):
            try:
                stored = read_image_file(file)
            except FrameError as error:
                listener.skip(str(error))
                continue
            for doubt in stored.doubts:
                listener.note(f'{file}: {doubt}')
            yield RecordedFrame(
                stored.upright(), number * IMAGE_PERIOD_NS, name, number=number)


def output_names(files: Sequence[Path]) -> dict[Path, str]:
    """Return a name for the maps of each file, no two alike."""
    names: dict[Path, str] = {}
    waiting = list(files)
    for naming in _NAMINGS:
        count = Counter(map(naming, waiting))
        taken = set(names.values())
        fitting = [file for file in waiting
                   if count[naming(file)] == 1 and naming(file) not in taken]
        names.update((file, naming(file)) for file in fitting)
        waiting = [file for file in waiting if file not in names]
    return {file: names[file] for file in files}


def is_image(path: Path) -> bool:
    """Return whether a file is an image, by its ending or else by its contents."""
    if path.suffix.lower() in IMAGE_ENDINGS:
        return True
    try:
        with load_pillow().open(path):
            return True
    except Exception:  # noqa: B902 - decoders raise anything for other files
        return False


def is_animation(path: Path) -> bool:
    """Return whether a file is a GIF with several frames, which is read as a video."""
    if path.suffix.lower() != '.gif':
        return False
    try:
        with load_pillow().open(path) as image:
            return bool(image.is_animated)
    except Exception:  # noqa: B902 - reading it as an image raises the error for the user
        return False


def _list(path: Path) -> tuple[list[Path], list[Path]]:
    """Return the images of a folder and its other files, without hidden ones; or a file."""
    if path.is_file():
        return [path], []
    try:
        found = sorted(path.iterdir(), key=natural_key)
    except OSError as error:
        raise RecordingError(f'{path}: cannot be read: {error.strerror}') from error
    shown = [file for file in found if not file.name.startswith('.')]
    images = {file: None for file in shown
              if file.suffix.lower() in IMAGE_ENDINGS and file.is_file()}
    return list(images), [file for file in shown if file not in images]


def _left_out(others: Sequence[Path]) -> str:
    named = [f'{file.name}/' if file.is_dir() else file.name for file in others[:_NAMED]]
    rest = f' and {len(others) - _NAMED} more' if len(others) > _NAMED else ''
    return f'left out {", ".join(named)}{rest}, no images by their names'


def _renamed(names: dict[Path, str]) -> list[str]:
    renamed = [(file, name) for file, name in names.items() if name != file.stem]
    if not renamed:
        return []
    file, name = renamed[0]
    return [f'{len(renamed)} images share their names with others; the maps of {file} are called '
            f'{name}, and so on']


_NOT_DECODED = ('.heic', '.heif', '.dng', '.cr2', '.cr3', '.nef', '.arw', '.raf', '.orf', '.rw2')
"""Formats of photos of which decoders would return a tile or the thumbnail without an error."""


def is_camera(name: str) -> bool:
    """Return whether a name is that of a camera or a stream, not of files."""
    return device_of(name) is not None or is_address(name)


def open_source(names: Sequence[str]) -> FrameSource:
    """
    Return the frames of image files and folders of them, of one video file, or of one camera.

    A number or /dev/video<number> names a camera of this computer, an address such as
    rtsp://host/path a stream. Raises RecordingError for what does not exist, holds no images,
    or cannot be computed together.
    """
    if len(names) == 1 and (device := device_of(names[0])) is not None:
        return open_camera(device)
    if len(names) == 1 and is_address(names[0]):
        return open_stream(names[0])
    if cameras := list(filter(is_camera, names)):
        raise RecordingError(f'{cameras[0]}: a camera comes alone, not beside other sources')
    paths = [Path(name) for name in names]
    absent = [path for path in paths if not path.exists()]
    if absent:
        raise RecordingError(f'{absent[0]}: there is no such file or folder; give images, a '
                             'folder of them, a video, the number of a camera, or the address of '
                             'a stream')
    for path in paths:
        if path.is_file() and path.suffix.lower() in _NOT_DECODED:
            raise RecordingError(f'{path}: photos of this format are not read; convert them to '
                                 'JPEG or PNG')
    first = paths[0]
    if len(paths) == 1 and first.is_file() and (is_animation(first) or not is_image(first)):
        return open_video(first)
    for path in paths:
        if path.is_file() and not is_image(path):
            raise RecordingError(f'{path}: is no image; images are computed together, but videos '
                                 'one by one: run once for each video')
    return open_images(paths)
