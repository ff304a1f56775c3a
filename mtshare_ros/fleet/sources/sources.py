"""The recordings that a fleet computes, found by paths, globs, folders, lists and manifests."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
import os
import re

from mtshare_ros.errors import RecordingError
from mtshare_ros.file_paths import natural_order
from mtshare_ros.fleet.addresses import is_address
from mtshare_ros.fleet.locations import absolute
from mtshare_ros.fleet.sources.recording_files import FoundRecording
from mtshare_ros.fleet.sources.recording_names import give_names, Located
from mtshare_ros.fleet.sources.search import Search
from mtshare_ros.fleet.sources.wanted import Expansion

_NAMED = 10
"""How many wrong sources an error names."""


@dataclass(frozen=True)
class Source:
    """
    A recording to be computed.

    ``location`` is its absolute path or URL, ``name`` its unique name in the output, which may
    have slashes. ``kind`` is 'bag', 'video' or 'images'. ``version`` changes with its files.
    """

    location: str
    name: str
    kind: str
    bytes: int
    version: str

    @property
    def is_local(self) -> bool:
        """Whether it is a file or folder of this machine."""
        return not is_address(self.location)


def find_sources(
    texts: Sequence[str], known: Mapping[str, str], say: Callable[[str], None] = lambda line: None,
    *, output: str = '',
) -> tuple[Source, ...]:
    """
    Return the recordings that texts name, in the natural order of their names.

    ``known`` has the names that an earlier run gave to locations, ``output`` is the folder to
    write to, which is no source. Raises RecordingError, naming all of them, where sources do not
    exist or hold no recordings.
    """
    wanted = Expansion(texts)
    search = Search(wanted.wanted, absolute(output, os.getcwd()) if output else '')
    faults = [*wanted.faults, *search.faults]
    faults += [f'{item.location!a}: its name is no UTF-8, which manifests need; rename it'
               for item in search.found if not _is_utf8(item.location)]
    if not texts:
        faults = ['no sources are given']
    if faults:
        raise RecordingError(_describe(faults))
    for notice in search.notices:
        say(notice)
    found = _once(search.found, known)
    names = give_names([_located(item, root) for item, root in found.items()], known)
    sources = (Source(item.location, names[item.location], item.kind, item.size, item.version)
               for item in found)
    return tuple(sorted(sources, key=lambda source: (natural_order(source.name), source.name)))


def _once(
    found: Mapping[FoundRecording, str], known: Mapping[str, str]
) -> dict[FoundRecording, str]:
    """Return the recordings that are not the same files as others by way of links."""
    first: dict[str, FoundRecording] = {}
    folders: dict[str, str] = {}
    for item in found:
        real = item.location if is_address(item.location) else _real(item.location, folders)
        # a name of an earlier run would be lost with its location
        if real not in first or (
                item.location in known and first[real].location not in known):
            first[real] = item
    return {item: found[item] for item in first.values()}


def _real(path: str, folders: dict[str, str]) -> str:
    """Return the path without links; ``folders`` remembers those of folders."""
    folder, _, name = path.rpartition('/')
    if folder not in folders:
        folders[folder] = os.path.realpath(folder or '/')
    plain = f'{folders[folder]}/{name}'
    return os.path.realpath(plain) if os.path.islink(plain) else plain


def _located(item: FoundRecording, root: str) -> Located:
    is_file = len(item.files) == 1 and item.files[0].location == item.location
    name = item.location.rpartition('/')[2]
    packed = re.search(r'\.(mcap|db3)\.\w+$', name)
    ending = packed[0] if packed else os.path.splitext(name)[1]
    return Located(item.location, root, ending if is_file else '')


def _is_utf8(text: str) -> bool:
    try:
        return bool(text.encode())
    except UnicodeEncodeError:
        return False


def _describe(faults: Sequence[str]) -> str:
    """Return one message about all that is wrong."""
    if len(faults) == 1:
        return faults[0]
    rest = len(faults) - _NAMED
    return '\n'.join([f'{len(faults)} sources cannot be used:', *faults[:_NAMED],
                      *([f'and {rest} more'] if rest > 0 else [])])


