"""Digests of recordings, equal for copies of them in other places."""

import hashlib
from pathlib import Path

from mtshare_ros.errors import RecordingError
from mtshare_ros.fleet.sources.listings import list_directly, list_file
from mtshare_ros.fleet.sources.recording_files import (
    file_recording,
    find_recordings,
    FoundRecording,
)
from mtshare_ros.fleet.sources.sources import Source

_BLOCK = 2**22
"""Bytes read at a time."""


def digest(source: Source) -> str:
    """
    Return the digest of a recording's contents.

    For a local one it is the sha256 of its files; others are not read: theirs begins with
    ``etag:``, and is made of what the store knows of the files. Raises RecordingError where a
    file cannot be read.
    """
    if source.is_local:
        return digest_files(Path(source.location), source.kind)
    return f'etag:{source.version.rpartition(":")[2]}'


def digest_files(path: Path, kind: str) -> str:
    """
    Return the sha256 of the names and contents of the files of a local recording.

    Neither the name of the folder nor that of a recording that is a single file counts, so copies
    are recognised under other names.
    """
    recording = _recording(str(path), kind)
    total = hashlib.sha256()
    for file in sorted(recording.files, key=lambda file: file.name):
        name = file.name if file.location != recording.location else ''
        total.update(f'{len(name.encode())} {name} {_digest_file(file.location)}\n'.encode())
    return total.hexdigest()


def _recording(path: str, kind: str) -> FoundRecording:
    try:
        found = [file_recording(list_file(path))] if Path(path).is_file() else [
            *find_recordings({path: list_directly(path)}).recordings]
    except OSError as error:
        raise RecordingError(f'{path}: cannot be read: {error.strerror}') from error
    for recording in found:
        if recording and (recording.location, recording.kind) == (path, kind):
            return recording
    raise RecordingError(f'{path}: is not there any more')


def _digest_file(path: str) -> str:
    digest = hashlib.sha256()
    buffer = memoryview(bytearray(_BLOCK))
    try:
        with open(path, 'rb', buffering=0) as file:
            while count := file.readinto(buffer):
                digest.update(buffer[:count])
    except OSError as error:
        raise RecordingError(f'{path}: cannot be read: {error.strerror}') from error
    return digest.hexdigest()
