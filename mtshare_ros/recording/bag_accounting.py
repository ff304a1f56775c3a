"""Which files of a bag's folder are read, and what is missing."""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Callable, Sequence

from mtshare_ros.recording.bag_folder import BagFolder, bare_name
from mtshare_ros.recording.bag_parts import Damage, StorageFile


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
