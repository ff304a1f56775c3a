"""Where frames without a bag come from: image files, a video, a camera."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Iterator, Sequence

import numpy as np

from mtshare_ros.errors import RecordingError
from mtshare_ros.recording.extras import require
from mtshare_ros.recording.perceiving import RecordedFrame

IMAGE_ENDINGS = ('.png', '.jpg', '.jpeg', '.bmp', '.webp', '.tif', '.tiff', '.ppm')
_IMAGE_PERIOD_NS = 500_000_000
"""Images have no times; in a video they follow each other at leisure."""

_LONGEST_ENDING_S = 1.0
"""FFmpeg takes some damage for the end; sound, too, may go on behind the last picture."""


@dataclass(frozen=True)
class FrameSource:
    """
    Frames in their order.

    ``count`` is how many there are, None where nobody knows. ``continuous`` says that they follow
    each other in time, ``live`` that they end only when somebody says so. ``read`` goes through
    them: what cannot be read is handed to its argument, a line each, and left out; what ends them
    too early is raised as RecordingError.
    """

    count: int | None
    continuous: bool
    read: Callable[[Callable[[str], None]], Iterator[RecordedFrame]]
    live: bool = False


def open_source(names: Sequence[str]) -> FrameSource:
    """
    Return the frames of image files and folders of them, of one video file, or of one camera.

    A number is a camera. Raises RecordingError for what is not there or holds no images.
    """
    if len(names) == 1 and names[0].isdecimal() and not Path(names[0]).exists():
        return open_camera(int(names[0]))
    paths = [Path(name) for name in names]
    absent = [path for path in paths if not path.exists()]
    if absent:
        raise RecordingError(f'{absent[0]}: there is no such file or folder; give images, a '
                             'folder of them, a video, or the number of a camera')
    if len(paths) == 1 and paths[0].is_file() and not _is_image(paths[0]):
        return open_video(paths[0])
    return open_images(paths)


def open_images(paths: Sequence[Path]) -> FrameSource:
    """Return the images among files and directly inside folders, folders sorted by name."""
    files = [file for path in paths for file in _images_of(path)]
    if not files:
        raise RecordingError(f'{paths[0]}: holds no images; their names end with '
                             f'{", ".join(IMAGE_ENDINGS)}')
    _check_names(files)
    require('PIL.Image', 'reading images', 'cli')

    def read(skip: Callable[[str], None]) -> Iterator[RecordedFrame]:
        for number, file in enumerate(files):
            try:
                rgb = _read_image(file)
            except (OSError, ValueError, SyntaxError) as error:
                skip(f'{file}: cannot be read as an image: {error}')
                continue
            yield RecordedFrame(rgb, number * _IMAGE_PERIOD_NS, file.stem)

    return FrameSource(len(files), False, read)


def open_video(path: Path) -> FrameSource:
    """Return the frames of a video file, by way of PyAV."""
    container = _open_container(str(path), None, str(path))
    count = container.streams.video[0].frames or None
    return FrameSource(count, True, lambda skip: _decode(container, str(path)))


def open_camera(number: int) -> FrameSource:
    """Return the frames of a camera of this computer, /dev/video<number>."""
    device = f'/dev/video{number}'
    container = _open_container(device, 'v4l2', f'camera {number} ({device})')
    return FrameSource(None, True, lambda skip: _decode(container, device), live=True)


def _decode(container: Any, name: str) -> Iterator[RecordedFrame]:
    """Decode the frames of a PyAV container and close it."""
    av = require('av', 'reading a video', 'video')
    number, time_s = 0, 0.0
    try:
        for frame in container.decode(video=0):
            time_s = frame.time or 0.0
            rgb = frame.to_ndarray(format='rgb24')
            yield RecordedFrame(rgb, round(time_s * 1e9), f'{number:06d}')
            number += 1
        length_s = _length_s(container)
    except av.error.FFmpegError as error:
        raise RecordingError(f'{name} cannot be read any further after {number} frames: '
                             f'{error.strerror}') from error
    finally:
        container.close()
    if length_s - time_s > _LONGEST_ENDING_S:
        raise RecordingError(f'{name} cannot be read any further after {number} frames: it ends '
                             f'at {time_s:.1f} s of the {length_s:.1f} s that it should have')


def _length_s(container: Any) -> float:
    """Return how long a video says that it is, 0 where it does not say."""
    stream = container.streams.video[0]
    if stream.duration is not None:
        return float(stream.duration * stream.time_base)
    return (container.duration or 0) / 1e6


def _open_container(path: str, kind: str | None, name: str) -> Any:
    av = require('av', 'reading a video', 'video')
    try:
        container = av.open(path, format=kind)
    except (OSError, ValueError) as error:
        raise RecordingError(f'{name}: cannot be opened as a video: {error}') from error
    if not container.streams.video:
        raise RecordingError(f'{name}: has no pictures')
    return container


def _read_image(path: Path) -> np.ndarray:
    """Return an image as (H, W, 3) uint8 RGB, turned as its camera was held."""
    from PIL import Image, ImageOps

    with Image.open(path) as image:
        return np.array(ImageOps.exif_transpose(image).convert('RGB'))


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_ENDINGS


def _images_of(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return sorted(file for file in path.iterdir() if file.is_file() and _is_image(file))


def _check_names(files: Sequence[Path]) -> None:
    """Refuse images whose outputs would have the same name."""
    seen: dict[str, Path] = {}
    for file in files:
        if file.stem in seen:
            raise RecordingError(f'{seen[file.stem]} and {file} would both be written as '
                                 f'{file.stem}; rename one, or run twice')
        seen[file.stem] = file
