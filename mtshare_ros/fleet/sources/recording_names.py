"""Names of recordings in the output of a fleet: unique, safe, and the same in every run."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
import hashlib
import re
import unicodedata

from mtshare_ros.fleet.locations import ancestors
from mtshare_ros.fleet.output.layout import PART

LONGEST_PART = 120
"""The most bytes between two slashes of a name; file systems allow 255, endings included."""

LONGEST_NAME = 500
"""The most bytes of a name; object stores allow 1024, folders and endings included."""

_ENDINGS = (PART, '.mcap', '.db3')
"""Endings that folders of bags do not have."""

_UNSAFE = re.compile(r'[^\w.-]')
_MARK = 8


@dataclass(frozen=True)
class Located:
    """Where a recording is, and the folder that it was found from; ``ending`` is of a file."""

    location: str
    root: str
    ending: str = ''


def give_names(recordings: Sequence[Located], known: Mapping[str, str]) -> dict[str, str]:
    """
    Return a name for each location.

    ``known`` has the names of an earlier run, which stay; the others are relative to their roots,
    and where that is not enough to tell them apart, have their endings or more of their paths. No
    name is a folder of another one, and none is another one in other letter cases.
    """
    taken = _Taken()
    kept = {location: name for location, name in known.items() if taken.take(name)}
    names = {found.location: kept[found.location] for found in recordings
             if found.location in kept}
    waiting = {found: _candidates(found) for found in recordings if found.location not in names}
    while waiting:
        wishes = {found: next(candidates) for found, candidates in waiting.items()}
        counts = Counter(map(_folded, wishes.values()))
        for found, wish in wishes.items():
            if counts[_folded(wish)] == 1 and taken.take(wish):
                names[found.location] = wish
                del waiting[found]
    return names


def is_safe(name: str) -> bool:
    """Return whether a name is one that this module gives."""
    return bool(name) and safe(name) == name


def safe(name: str) -> str:
    """Return a relative name with only letters, digits, and _ - . between its slashes."""
    parts = [_safe_part(part) for part in name.split('/') if part]
    joined = '/'.join(parts) or '_'
    if len(joined.encode()) > LONGEST_NAME:
        return _safe_part(parts[-1][:40] + '-' + _mark(name))
    return joined


def _safe_part(text: str) -> str:
    """Return one part of a name, without what is special for shells, stores and Windows."""
    # macOS stores letters with accents as two characters
    part = _UNSAFE.sub('_', unicodedata.normalize('NFC', text))
    if part.startswith(('.', '-')):
        part = f'_{part[1:]}'
    for ending in _ENDINGS:
        if part.lower().endswith(ending):
            part = f'{part[:-len(ending)]}_{part[1 - len(ending):]}'
    if part.endswith('.'):
        part = f'{part[:-1]}_'
    if len(part.encode()) > LONGEST_PART:
        start = part.encode()[:LONGEST_PART - _MARK - 5].decode(errors='ignore')
        part = f'{start}-{_mark(text)}'
    return part


def _candidates(found: Located) -> Iterator[str]:
    """Yield names for a recording, the shortest first, at the end such as no other one has."""
    inner = found.location[len(found.root):].strip('/') if found.location.startswith(
        found.root) else ''
    if not inner:
        inner = found.location.rpartition('/')[2]
    stem = inner.removesuffix(found.ending)
    yield safe(stem)
    yield safe(f'{stem}_{found.ending[1:]}')
    yield safe(stem.replace('/', '_'))
    for folder in ancestors(found.root):
        above = found.location[len(folder):].strip('/')
        yield safe(above.removesuffix(found.ending))
    for length in range(_MARK, 65, _MARK):
        yield safe(f'{stem.replace("/", "_")[:80]}-{_mark(found.location, length)}')


def _mark(text: str, length: int = _MARK) -> str:
    return hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()[:length]


def _folded(name: str) -> str:
    return name.casefold()


class _Taken:
    """Names that are given, and the folders that they are in."""

    def __init__(self) -> None:
        self._names: set[str] = set()
        self._folders: set[str] = set()

    def take(self, name: str) -> bool:
        """Give a name; return False where it is not safe, or stands in the way of another."""
        folded = _folded(name)
        if not is_safe(name) or folded in self._names or folded in self._folders or any(
                folder in self._names for folder in _folders(folded)):
            return False
        self._names.add(folded)
        self._folders.update(_folders(folded))
        return True


def _folders(name: str) -> Iterator[str]:
    parts = name.split('/')
    return ('/'.join(parts[:count]) for count in range(1, len(parts)))
