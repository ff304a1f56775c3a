"""Which files a bag has, by its metadata.yaml and by what lies in its folder."""

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
import math
from pathlib import Path
from typing import Any, Callable, Sequence

import yaml

from mtshare_ros.recording.bag_parts import Damage, PACKED, storage_of, StorageFile

METADATA = 'metadata.yaml'


@dataclass
class BagFolder:
    """
    The files of a bag, in the order they were recorded.

    ``files`` are there and listed, or there where nothing is listed; ``others`` are there and not
    listed; ``missing`` are the names of those that are listed and gone, ``unknown`` of those that
    are of another kind than the files that are read. ``counts`` are the messages of topics, and
    ``file_counts`` those of files, as far as metadata.yaml tells them; ``start_ns`` is when the
    first was recorded. ``fault`` says why metadata.yaml is of no use.
    """

    files: list[Path] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    file_counts: dict[str, int] = field(default_factory=dict)
    distro: str = ''
    start_ns: int | None = None
    fault: str = ''


def list_files(path: Path) -> BagFolder:
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


def folders_with_bags(path: Path) -> list[Path]:
    """Return the folders directly inside a folder that hold storage files."""
    if not path.is_dir():
        return []
    return sorted({file.parent for file in path.glob('*/*') if storage_of(file)})


def bare_name(path: Path) -> str:
    """Return the name of a storage file without the ending that compression adds."""
    return path.stem if path.suffix in PACKED else path.name


def _storage_files(path: Path) -> list[Path]:
    """Return the storage files of a folder; of one that lies there packed too, the unpacked."""
    found: dict[str, Path] = {}
    for file in sorted(path.iterdir(), key=_number):
        # other systems leave hidden files of the same endings
        if storage_of(file) and file.is_file() and not file.name.startswith('.'):
            before = found.get(bare_name(file))
            if before is None or before.suffix in PACKED:
                found[bare_name(file)] = file
    return list(found.values())


def _read_metadata(path: Path, information: dict[str, Any], found: list[Path]) -> BagFolder:
    """Compare what is listed with what is there; names count, folders may have been renamed."""
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
    for entry in information.get('files') or ():
        folder.file_counts[_name_of(entry['path'])] = int(entry['message_count'])
    return folder


def _name_of(text: str) -> str:
    """Return the name of a listed file, of whichever system, without compression's ending."""
    return bare_name(Path(_last_part(text)))


def _last_part(text: str) -> str:
    return text.replace('\\', '/').rpartition('/')[2]


def _number(path: Path) -> tuple[float, str]:
    """Sort bag_2 before bag_10, as rosbag2 counts its files; others come last."""
    text = bare_name(path).rpartition('.')[0].rpartition('_')[2]
    return (int(text) if text.isdecimal() else math.inf, path.name)


@dataclass(frozen=True)
class OpenedFile:
    """A storage file and where it lies."""

    path: Path
    file: StorageFile

    @property
    def count(self) -> int:
        """How many messages it holds."""
        return sum(self.file.counts.values())

    @cached_property
    def contents(self) -> tuple[dict[tuple[str, str], int], int | None, int | None]:
        """How many messages of each topic and type it holds, and when the first and last came."""
        counts: Counter[tuple[str, str]] = Counter()
        for channel, count in self.file.counts.items():
            counts[channel.topic, channel.message_type] += count
        return dict(counts), self.file.start_ns, self.file.end_ns


def choose_files(
    folder: BagFolder, listed: Sequence[OpenedFile], others: Sequence[OpenedFile],
    note: Callable[[str], None],
) -> list[OpenedFile]:
    """
    Return the files to read, in the order they were recorded; what is unusual is noted.

    A recorder that was killed has not listed its last files, so files that are not listed are
    read as well, unless they hold what others hold already.
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
    if folder.fault or any(item in others for item in chosen):
        chosen.sort(key=lambda item: (item.file.start_ns is None, item.file.start_ns or 0))
    return chosen


def account(
    folder: BagFolder, listed: Sequence[OpenedFile], others: Sequence[OpenedFile],
    chosen: Sequence[OpenedFile],
) -> list[Damage]:
    """Return what is missing of what metadata.yaml lists, and what was not chosen."""
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
    if lost and not damages and not any(item.file.note for item in listed):
        damages.append(Damage(f'of the {sum(folder.counts.values())} messages that metadata.yaml '
                              f'counts, the files do not hold {sum(lost.values())}'))
    return damages


def count_lost(folder: BagFolder, files: Sequence[OpenedFile]) -> Counter[str]:
    """Return how many messages of topics metadata.yaml counts and its files do not hold."""
    found: Counter[str] = Counter()
    for item in files:
        for channel, count in item.file.counts.items():
            found[channel.topic] += count
    return Counter(folder.counts) - found


def _is_copy(item: OpenedFile, other: OpenedFile) -> bool:
    """Tell whether two files, of one storage or not, hold as many messages of the same times."""
    return item.count > 0 and item.contents == other.contents


def _overlaps(item: OpenedFile, chosen: Sequence[OpenedFile]) -> bool:
    """Tell whether most of the time of a file is that of others with its topics."""
    topics = {channel.topic for channel in item.file.counts}
    start, end = item.file.start_ns, item.file.end_ns
    if start is None or end is None:
        return False
    shared = 0
    for other in chosen:
        first, last = other.file.start_ns, other.file.end_ns
        if first is not None and last is not None and topics & {
                channel.topic for channel in other.file.counts}:
            shared += max(min(end, last) - max(start, first) + 1, 0)
    return 2 * shared > end - start + 1


def _describe_loss(folder: BagFolder, name: str, listed: Sequence[OpenedFile]) -> str:
    """Return how many messages a missing file had, as far as that is known."""
    count = folder.file_counts.get(bare_name(Path(name)))
    if count is None and len(folder.missing) + len(folder.unknown) == 1:
        count = sum(count_lost(folder, listed).values())
    return f' with {count} messages' if count and count > 0 else ''
