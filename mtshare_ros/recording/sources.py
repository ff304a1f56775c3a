"""Where frames without a bag come from: image files, a video, a camera."""

from pathlib import Path
from typing import Sequence

from mtshare_ros.errors import RecordingError
from mtshare_ros.recording.camera_source import device_of, is_address, open_camera, open_stream
from mtshare_ros.recording.frame_source import FrameSource
from mtshare_ros.recording.image_source import is_film, is_image, open_images
from mtshare_ros.recording.video_source import open_video

_NOT_DECODED = ('.heic', '.heif', '.dng', '.cr2', '.cr3', '.nef', '.arw', '.raf', '.orf', '.rw2')
"""Photos of which decoders would give a tile or the thumbnail and say nothing."""


def is_camera(name: str) -> bool:
    """Return whether a name stands for a camera or a stream, not for files."""
    return device_of(name) is not None or is_address(name)


def open_source(names: Sequence[str]) -> FrameSource:
    """
    Return the frames of image files and folders of them, of one video file, or of one camera.

    A number or /dev/video<number> is a camera of this computer, an address such as
    rtsp://host/path one of another. Raises RecordingError for what is not there, holds no images,
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
    if len(paths) == 1 and paths[0].is_file() and (is_film(paths[0]) or not is_image(paths[0])):
        return open_video(paths[0])
    for path in paths:
        if path.is_file() and not is_image(path):
            raise RecordingError(f'{path}: is no image; images are computed together, but videos '
                                 'one by one: run once for each video')
    return open_images(paths)
