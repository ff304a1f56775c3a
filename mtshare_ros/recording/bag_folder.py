"""The files of a bag: which there are, which are read, and what is missing of the bag."""

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
import math
from pathlib import Path, PurePath
from typing import Any, Callable, Sequence

import yaml

from mtshare_ros.recording.bag_parts import Damage, PACKED, storage_of, StorageFile
from mtshare_ros.recording.remote_path import BagPath, RemotePath

METADATA = 'metadata.yaml'


@dataclass
class BagFolder:
    """
    The files of a bag, in the order they were recorded, compared with its metadata.yaml.

    ``files`` are listed and in the folder; ``others`` are in the folder only; ``missing`` has the
    names of those that are listed only, ``unknown`` of listed files that are no storage files.
    ``counts`` has the messages of topics, ``file_counts`` those of files, as far as they are
    listed; ``start_ns`` is when the first was recorded. ``fault`` is the reason why metadata.yaml
    cannot be used; then ``files`` are all in the folder.
    """

    files: list[BagPath] = field(default_factory=list)
    others: list[BagPath] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    file_counts: dict[str, int] = field(default_factory=dict)
    distro: str = ''
    start_ns: int | None = None
    fault: str = ''


def list_files(path: BagPath) -> BagFolder:
    """Return the files of a bag, which is a folder or one of its files alone."""
    if path.is_file():
        return BagFolder([path] if storage_of(path) else [])
    found = _storage_files(path)
    try:
        text = (path / METADATA).read_text(encoding='utf-8')
        information = yaml.safe_load(text)['rosbag2_bagfile_information']
        listed = _read_metadata(path, information, found)
    except FileNotFoundError:
        return BagFolder(found, fault='there is no metadata.yaml, which a killed recorder does '
                                      'not write')
    except Exception as error:  # noqa: B902 - whatever is wrong with the text
        reason = ' '.join(str(error).split()) or type(error).__name__
        return BagFolder(found, fault=f'metadata.yaml cannot be used ({reason})')
    return listed


def folders_with_bags(path: BagPath) -> list[Path]:
    """Return the folders directly inside a local folder that hold storage files."""
    if not isinstance(path, Path) or not path.is_dir():
        return []
    return sorted({file.parent for file in path.glob('*/*') if storage_of(file)})


def bare_name(path: PurePath | RemotePath) -> str:
    """Return the name of a storage file without the ending that compression adds."""
    return path.stem if path.suffix in PACKED else path.name


def _storage_files(path: BagPath) -> list[BagPath]:
    """Return the storage files of a folder; if one is there packed and unpacked, the unpacked."""
    found: dict[str, BagPath] = {}
    for file in sorted(path.iterdir(), key=_number):
        # macOS leaves hidden files with the same endings
        if storage_of(file) and file.is_file() and not file.name.startswith('.'):
            before = found.get(bare_name(file))
            if before is None or before.suffix in PACKED:
                found[bare_name(file)] = file
    return list(found.values())


def _read_metadata(
    path: BagPath, information: dict[str, Any], found: list[BagPath]
) -> BagFolder:
    """Compare the listed files with those ``found``, by name, as folders may be renamed."""
    folder = BagFolder(
        distro=information.get('ros_distro') or '',
        start_ns=int(information['starting_time']['nanoseconds_since_epoch']))
    there = {bare_name(file): file for file in found}
    listed = {_name_of(text): text for text in information['relative_file_paths']}
    for name, text in listed.items():
        if name in there:
            folder.files.append(there.pop(name))
        else:
            place = folder.unknown if (path / _last_part(text)).is_file() else folder.missing
            place.append(_last_part(text))
    folder.others = list(there.values())
    for entry in information['topics_with_message_count']:
        name = entry['topic_metadata']['name']
        folder.counts[name] = folder.counts.get(name, 0) + int(entry['message_count'])
    # older versions of metadata.yaml do not list these
    for entry in information.get('files') or ():
        folder.file_counts[_name_of(entry['path'])] = int(entry['message_count'])
    return folder


def _name_of(text: str) -> str:
    """Return the name of a listed file without folders and the ending of compression."""
    return bare_name(Path(_last_part(text)))


def _last_part(text: str) -> str:
    # bags from Windows have backslashes, which Path does not split on Linux
    return text.replace('\\', '/').rpartition('/')[2]


def _number(path: BagPath) -> tuple[float, str]:
    """Return a key that sorts bag_2 before bag_10; names without a number come last."""
    text = bare_name(path).rpartition('.')[0].rpartition('_')[2]
    return (int(text) if text.isdecimal() else math.inf, path.name)


@dataclass(frozen=True)
class OpenedFile:
    """A storage file and its path."""

    path: BagPath
    file: StorageFile

    @property
    def count(self) -> int:
        """The number of its messages."""
        return sum(self.file.counts.values())

    @cached_property
    def contents(self) -> tuple[dict[tuple[str, str], int], int | None, int | None]:
        """The messages of each topic and type, and the times of the first and the last."""
        counts: Counter[tuple[str, str]] = Counter()
        for channel, count in self.file.counts.items():
            counts[channel.topic, channel.message_type] += count
        return dict(counts), self.file.start_ns, self.file.end_ns


def choose_files(
    folder: BagFolder, listed: Sequence[OpenedFile], others: Sequence[OpenedFile],
    note: Callable[[str], None],
) -> list[OpenedFile]:
    """
    Return the files to read, in the order they were recorded; ``note`` gets what is unusual.

    A recorder that was killed has not listed its last files, so files that are not listed are
    read, too, unless they have the messages or the time of others.
    """
    chosen: list[OpenedFile] = []
    for item in (*listed, *others):
        original = next((other for other in chosen if _is_copy(item, other)), None)
        if original is not None:
            note(f'{item.path}: is a copy of {original.path.name}, and not read')
        elif item in listed:
            chosen.append(item)
        elif not _overlaps(item, chosen):
            chosen.append(item)
            note(f'{item.path}: is not listed in metadata.yaml, and read as well')
    # metadata.yaml lists files in the order of recording; files beside it only have their times
    if folder.fault or any(item in others for item in chosen):
        chosen.sort(key=lambda item: (item.file.start_ns is None, item.file.start_ns or 0))
    return chosen


def find_missing(
    folder: BagFolder, listed: Sequence[OpenedFile], others: Sequence[OpenedFile],
    chosen: Sequence[OpenedFile],
) -> list[Damage]:
    """Return what is missing of what metadata.yaml lists, and the files that are not read."""
    damages = [Damage(f'{name} is missing{_describe_loss(folder, name, listed)}')
               for name in folder.missing]
    damages += [Damage(f'{name} is not read{_describe_loss(folder, name, listed)}: it is neither '
                       '.mcap nor .db3, nor one of them packed by zstd')
                for name in folder.unknown]
    for item in others:
        if item not in chosen and not any(_is_copy(item, other) for other in chosen):
            damages.append(Damage(
                f'{item.path.name} ({item.count} messages) is not listed in metadata.yaml and '
                'not used, as it covers the time of other files: give it alone, or move it away'))
    lost = count_lost(folder, [item for item in listed if item in chosen])
    # files that are missing or damaged are the reason for the loss, and are told already
    if lost and not damages and not any(item.file.note for item in listed):
        damages.append(Damage(f'of the {sum(folder.counts.values())} messages that metadata.yaml '
                              f'counts, the files do not hold {sum(lost.values())}'))
    return damages


def count_lost(folder: BagFolder, files: Sequence[OpenedFile]) -> Counter[str]:
    """Return, by topic, how many messages metadata.yaml counts and the files do not hold."""
    found: Counter[str] = Counter()
    for item in files:
        for channel, count in item.file.counts.items():
            found[channel.topic] += count
    # negative differences drop out: more messages of one topic do not hide the loss of another
    return Counter(folder.counts) - found


def _is_copy(item: OpenedFile, other: OpenedFile) -> bool:
    """Return whether two files, maybe of different storages, have equal counts and times."""
    return item.count > 0 and item.contents == other.contents


def _overlaps(item: OpenedFile, chosen: Sequence[OpenedFile]) -> bool:
    """Return whether others with its topics cover more than half of a file's time."""
    topics = {channel.topic for channel in item.file.counts}
    start, end = item.file.start_ns, item.file.end_ns
    if start is None or end is None:
        return False
    shared = 0
    for other in chosen:
        first, last = other.file.start_ns, other.file.end_ns
        if first is not None and last is not None and topics & {
                channel.topic for channel in other.file.counts}:
            # with + 1, a file with a single message has a length
            shared += max(min(end, last) - max(start, first) + 1, 0)
    return 2 * shared > end - start + 1


def _describe_loss(folder: BagFolder, name: str, listed: Sequence[OpenedFile]) -> str:
    """Return the text of how many messages a missing file had, empty where it is unknown."""
    count = folder.file_counts.get(bare_name(Path(name)))
    # where only one file is missing, it had all that is lost
    if count is None and len(folder.missing) + len(folder.unknown) == 1:
        count = sum(count_lost(folder, listed).values())
    return f' with {count} messages' if count and count > 0 else ''
