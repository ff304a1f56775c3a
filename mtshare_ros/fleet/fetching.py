"""Copies, on this machine, of remote recordings that cannot be read in place, or are small."""

from collections.abc import Mapping, Sequence
import errno
from pathlib import Path
import shutil

from mtshare_ros.errors import PlaceError, RecordingError
from mtshare_ros.fleet.addresses import Address, reaching
from mtshare_ros.fleet.sources.listings import list_address, ListedFile, tree_of
from mtshare_ros.fleet.sources.recording_files import (
    file_recording,
    find_recordings,
    FoundRecording,
)
from mtshare_ros.fleet.sources.sources import Source

_SPARE = 2**26
"""Bytes to leave free beside a copy."""

_ADVICE = 'set TMPDIR to a folder with more space, or use fewer workers'


def fetch(source: Source, folder: Path) -> Path:
    """
    Return a local path to read a recording from: its own, or that of a copy in a folder.

    Raises RecordingError where it is not there any more, has changed, or does not arrive whole,
    PlaceError where it does not fit; nothing of it stays in the folder then.
    """
    if source.is_local:
        return Path(source.location)
    recording = find_again(source)
    _make_room(source, folder)
    # readers know the files of a bag by the name of their folder
    target = folder / source.location.rpartition('/')[2]
    try:
        _copy(source, recording.files, target)
        # the sizes that arrived do not tell a file that was replaced meanwhile
        find_again(source)
    except BaseException:
        _remove(target)
        raise
    return target


def find_again(source: Source) -> FoundRecording:
    """
    Return the files of a recording as they are now.

    Raises RecordingError where it is not there any more, or has changed since it was found.
    """
    files = list_address(Address(source.location))
    if len(files) == 1 and files[0].location == source.location:
        found = [file_recording(files[0])]
    else:
        found = [*find_recordings(tree_of(source.location, files)).recordings]
    for recording in found:
        if recording and (recording.location, recording.kind) == (source.location, source.kind):
            if recording.version == source.version:
                return recording
            raise RecordingError(f'{source.location}: has changed since the command began; run '
                                 'it again when the recording is complete')
    raise RecordingError(f'{source.location}: is not there any more')


def _make_room(source: Source, folder: Path) -> None:
    """Make the folder of a copy; raise RecordingError where it has too little space."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise PlaceError(f'{folder}: cannot be written: {error.strerror}; {_ADVICE}') from error
    if source.bytes + _SPARE > free:
        raise PlaceError(f'{source.location}: takes {source.bytes / 1e9:.1f} GB, {folder} has '
                         f'{free / 1e9:.1f} GB free; {_ADVICE}')


def _copy(source: Source, files: Sequence[ListedFile], target: Path) -> None:
    """Copy the files into a folder, or to the path of the only one."""
    alone = files[0].location == source.location
    copies = {file: target if alone else target / file.name for file in files}
    if not alone:
        target.mkdir(exist_ok=True)
    try:
        with reaching(source.location, 'downloaded'):
            _download(source, copies)
    except FileNotFoundError as error:
        raise RecordingError(f'{source.location}: a file is not there any more: {error}'
                             ) from error
    for file, copy in copies.items():
        size = copy.stat().st_size if copy.is_file() else 0
        if size != file.size:
            raise RecordingError(f'{file.location}: {size} of its {file.size} bytes arrived; run '
                                 'the command again')


def _download(source: Source, copies: Mapping[ListedFile, Path]) -> None:
    try:
        # together, as folders of images have thousands of small files
        Address(source.location).system.get(
            [Address(file.location).path for file in copies],
            [str(copy) for copy in copies.values()])
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise PlaceError(f'{source.location}: does not fit: {error.strerror}; {_ADVICE}'
                         ) from error


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
