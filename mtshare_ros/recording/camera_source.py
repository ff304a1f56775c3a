"""Cameras of this computer and streams from others as frames, by way of PyAV."""

import errno
from pathlib import Path
import re
from urllib.parse import urlsplit

from mtshare_ros.recording.frame_source import FrameSource
from mtshare_ros.recording.video_source import decode, open_container

_DEVICE = re.compile(r'/dev/video\d+')
_ADDRESS = re.compile(r'[a-z][a-z0-9+.-]+://', re.IGNORECASE)

_PATIENCE_S = 10.0
"""How long a stream may take to answer, or to send its next pictures."""

_ADVICE = {
    errno.EBUSY: 'another program uses it',
    errno.EACCES: 'this user may not read it: sudo usermod -aG video $USER, then log in again',
    errno.ENOTTY: 'it is no camera',
}
"""What stands behind errors of the operating system that a camera meets."""


def device_of(name: str) -> str | None:
    """Return the device that a number or /dev/video<number> names, None for anything else."""
    if name.isdecimal() and not Path(name).exists():
        return f'/dev/video{int(name)}'
    return name if _DEVICE.fullmatch(name) else None


def is_address(name: str) -> bool:
    """Return whether a name is the address of a stream, such as rtsp://host/path."""
    return _ADDRESS.match(name) is not None


def open_camera(device: str) -> FrameSource:
    """Return the frames of a camera of this computer, such as /dev/video0."""
    name = f'camera {device}'
    container = open_container(device, name, 'v4l2', advise=_advise)
    return FrameSource(
        None, True, lambda listener: decode(container, name, listener), live=True)


def open_stream(address: str) -> FrameSource:
    """Return the frames at an address; those of a file that a server holds have an end."""
    name = without_password(address)
    container = open_container(address, name, patience_s=_PATIENCE_S)
    return FrameSource(
        None, True, lambda listener: decode(container, name, listener),
        live=container.duration is None)


def without_password(address: str) -> str:
    """Return an address as it may stand in messages: who logs in, but not with what."""
    parts = urlsplit(address)
    if parts.password is None:
        return address
    return address.replace(f':{parts.password}@', ':***@', 1)


def _advise(number: int) -> str:
    if number == errno.ENOENT:
        found = ', '.join(sorted(map(str, Path('/dev').glob('video*'))))
        return f'; there is {found}' if found else '; no camera is plugged in'
    return f'; {_ADVICE[number]}' if number in _ADVICE else ''
