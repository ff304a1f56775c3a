"""Folders of memory-mapped arrays that are filled room by room and survive a kill."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
import fcntl
import json
from multiprocessing import get_context
import os
from pathlib import Path
from time import sleep
from typing import Any, IO, Literal, Protocol, TypeVar

import numpy as np

from mtshare_ros.errors import DatasetError

META_FILE = 'meta.json'
_LOCK_FILE = '.lock'
_LOOK_AGAIN_S = 0.5
Progress = Callable[[int, int], None]


class FolderMeta(Protocol):
    """A dataclass that says what a folder holds."""

    @property
    def count(self) -> int:
        """Return how many rows there will be."""

    @property
    def done(self) -> int:
        """Return how many of them are finished, from the first on."""

    def layout(self) -> dict[str, tuple[tuple[int, ...], str]]:
        """Return the shape and type of each array by its name."""


MetaT = TypeVar('MetaT', bound=Any)


def fill_folder(
    directory: Path, wanted: MetaT, rows_per_room: int,
    render_room: Callable[[Path, MetaT, int], int], *, workers: int, progress: Progress | None,
) -> None:
    """
    Let ``render_room(directory, meta, index)`` fill the rows of each room that are missing.

    Rooms are finished in order, so the result depends neither on interruptions nor on
    ``workers``, the number of processes. Where several programs want the same folder, on one
    machine or on several that share it, one fills it and the others wait. Raises DatasetError
    where the folder holds other rows.
    """
    def tell(done: int) -> None:
        if progress is not None:
            progress(done, wanted.count)

    if _rows_done(directory, wanted) == wanted.count:
        return  # without a lock, because the folder may be read-only
    with _locked(directory, lambda: tell(_rows_done(directory, wanted))):
        done = _resume(directory, wanted)
        rooms = range(-(-done // rows_per_room), -(-wanted.count // rows_per_room))
        for room in _rendered(render_room, directory, wanted, rooms, workers):
            done = min((room + 1) * rows_per_room, wanted.count)
            if done == wanted.count:
                _store(directory, wanted)
            replace_json(directory / META_FILE, {**asdict(wanted), 'done': done})
            tell(done)


def read_meta(directory: Path, kind: type[MetaT]) -> MetaT:
    """Return what a folder holds; raise DatasetError where that is not known or damaged."""
    path = directory / META_FILE
    try:
        return kind(**json.loads(path.read_text(encoding='utf-8')))
    except FileNotFoundError:
        raise DatasetError(f'{directory} holds no rendered rooms: {META_FILE} is missing; render '
                           'them with mtshare render') from None
    except (TypeError, ValueError) as error:
        raise DatasetError(f'{path} is damaged or of another kind ({error}); delete the folder '
                           'and render again') from error


def open_arrays(directory: Path, meta: FolderMeta) -> dict[str, np.ndarray]:
    """Return the finished rows of every array, memory-mapped."""
    return {name: open_array(directory, meta, name)[:meta.done] for name in meta.layout()}


def open_array(directory: Path, meta: FolderMeta, name: str,
               mode: Literal['r', 'r+'] = 'r') -> np.ndarray:
    """Return one array, finished or not; raise DatasetError where it is not as it should be."""
    path = directory / f'{name}.npy'
    shape, kind = meta.layout()[name]
    try:
        array = np.load(path, mmap_mode=mode)
    except (OSError, ValueError) as error:
        raise DatasetError(f'{path} should hold {name} {shape} {kind}, but cannot be read '
                           f'({error}); delete the folder and render again') from error
    if array.shape != shape or array.dtype != np.dtype(kind):
        raise DatasetError(f'{path} holds {array.shape} {array.dtype} instead of {shape} {kind}; '
                           'delete the folder and render again')
    return array


@contextmanager
def _locked(directory: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Keep other programs out of a folder, created where it is new; the system frees it."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / _LOCK_FILE).open('w') as file:
        while not _lock(file, directory):
            waiting()
            sleep(_LOOK_AGAIN_S)
        yield


def _lock(file: IO[str], directory: Path) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise DatasetError(f'{directory}: its file system has no locks ({error.strerror}), which '
                           'keep two programs from filling one folder; choose a folder on '
                           'another file system') from error
    return True


def _store(directory: Path, meta: FolderMeta) -> None:
    """Write the rows to the disk, or to the server, from which other machines read them."""
    for name in meta.layout():
        with (directory / f'{name}.npy').open('rb') as file:
            os.fsync(file.fileno())


def _resume(directory: Path, wanted: MetaT) -> int:
    """Return how many rows are finished in a folder, begun where it is new."""
    if not (directory / META_FILE).exists():
        for name, (shape, kind) in wanted.layout().items():
            np.lib.format.open_memmap(directory / f'{name}.npy', 'w+', kind, shape)
        # written last: a folder without it is begun again
        replace_json(directory / META_FILE, asdict(wanted))
    return _rows_done(directory, wanted)


def _rows_done(directory: Path, wanted: MetaT) -> int:
    """Return how many rows are finished; raise DatasetError where the folder holds others."""
    if not (directory / META_FILE).exists():
        return 0
    found = read_meta(directory, type(wanted))
    expected, present = ({key: value for key, value in asdict(meta).items() if key != 'done'}
                         for meta in (wanted, found))
    if expected != present:
        differing = ', '.join(f'{key} {present[key]!r} instead of {expected[key]!r}'
                              for key in expected if present[key] != expected[key])
        raise DatasetError(f'{directory} holds other frames ({differing}); choose another folder '
                           'or delete this one')
    return found.done


def _rendered(
    render_room: Callable[[Path, MetaT, int], int], directory: Path, meta: MetaT,
    rooms: Sequence[int], workers: int,
) -> Iterator[int]:
    """Render rooms in order and yield each when its rows are written."""
    if workers <= 1:
        for room in rooms:
            yield render_room(directory, meta, room)
        return
    # not forked, because the threads of PyTorch and numba do not survive that
    with ProcessPoolExecutor(workers, mp_context=get_context('spawn')) as pool:
        yield from pool.map(render_room, *zip(*((directory, meta, room) for room in rooms)))


def replace_json(path: Path, values: dict[str, Any]) -> None:
    """Replace a JSON file in one step, so that a kill leaves the old or the new one."""
    partial = path.with_name(f'{path.name}.part')
    partial.write_text(json.dumps(values, indent=2) + '\n', encoding='utf-8')
    os.replace(partial, path)
