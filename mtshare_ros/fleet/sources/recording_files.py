"""Which files of a folder are a recording together: bags, videos, folders of images."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
import hashlib
from pathlib import PurePosixPath

from mtshare_ros.fleet.sources.listings import ListedFile, Tree
from mtshare_ros.image_files import IMAGE_ENDINGS
from mtshare_ros.recording.bag_folder import bare_name, METADATA
from mtshare_ros.recording.bag_parts import storage_of
from mtshare_ros.recording.recording import VIDEO_ENDINGS

_MOST_ENDINGS = 5
"""How many endings of other files a message names."""


@dataclass(frozen=True)
class FoundRecording:
    """A file or a folder of a kind, 'bag', 'video' or 'images', and the files it consists of."""

    location: str
    kind: str
    files: tuple[ListedFile, ...]

    @property
    def size(self) -> int:
        """The bytes of its files."""
        return sum(file.size for file in self.files)

    @property
    def version(self) -> str:
        """
        A text that changes whenever a file is added, removed or written.

        Where the store knows checksums of the contents, it begins with ``content:``, and equal
        recordings have equal ones.
        """
        known = all(file.content for file in self.files)
        digest = hashlib.sha256()
        for file in sorted(self.files, key=lambda file: file.name):
            # the name of a recording that is a single file is not part of its contents
            name = file.name if file.location != self.location else ''
            digest.update(f'{name}\0{file.size}\0{file.tag}\n'.encode(errors='surrogateescape'))
        if not known:
            # times do not tell two files of equal size apart, so the place counts as well
            digest.update(self.location.encode())
        return f'{"content" if known else "state"}:{digest.hexdigest()}'


def kind_by_name(name: str) -> str:
    """Return 'bag' or 'video' for a file that is a recording by its name, empty for others."""
    path = PurePosixPath(name)
    if storage_of(path):
        return 'bag'
    return 'video' if path.suffix.lower() in VIDEO_ENDINGS else ''


def is_image_name(name: str) -> bool:
    """Return whether a file is an image by its name."""
    return PurePosixPath(name).suffix.lower() in IMAGE_ENDINGS


@dataclass(frozen=True)
class Contents:
    """The recordings of folders, and the files that belong to none."""

    recordings: tuple[FoundRecording, ...]
    others: tuple[ListedFile, ...]


def find_recordings(tree: Tree) -> Contents:
    """Return the recordings in the folders of a tree."""
    found = [_in_folder(folder, files) for folder, files in tree.items()]
    return Contents(tuple(item for part in found for item in part.recordings),
                    tuple(item for part in found for item in part.others))


def _in_folder(folder: str, files: Sequence[ListedFile]) -> Contents:
    """Return the recordings that are directly in a folder, or the one that it is."""
    storage = [file for file in files if kind_by_name(file.name) == 'bag']
    images = tuple(file for file in files if is_image_name(file.name))
    recordings = [FoundRecording(file.location, 'video', (file,)) for file in files
                  if kind_by_name(file.name) == 'video']
    if storage and is_bag_folder(folder, [file.name for file in files]):
        listing = [file for file in files if file.name == METADATA]
        recordings.append(FoundRecording(folder, 'bag', tuple(storage + listing)))
    else:
        recordings += [FoundRecording(file.location, 'bag', (file,)) for file in storage]
        if images:
            recordings.append(FoundRecording(folder, 'images', images))
    used = {file for recording in recordings for file in recording.files}
    return Contents(tuple(recordings), tuple(file for file in files if file not in used))


def is_bag_folder(folder: str, names: Iterable[str]) -> bool:
    """
    Return whether the storage files of a folder are one bag.

    They are where a metadata.yaml is beside them, or where all are named <folder>_<number>, as a
    recorder that was killed leaves them.
    """
    names = list(names)
    if METADATA in names:
        return True
    start = f'{folder.rpartition("/")[2]}_'
    stems = [bare_name(PurePosixPath(name)).rpartition('.')[0] for name in names
             if kind_by_name(name) == 'bag']
    return all(stem.startswith(start) and stem[len(start):].isdecimal() for stem in stems)


def file_recording(file: ListedFile) -> FoundRecording | None:
    """Return the recording that a file alone is, None for a file that is none."""
    kind = kind_by_name(file.name)
    return FoundRecording(file.location, kind, (file,)) if kind else None


def count_endings(files: Iterable[ListedFile]) -> str:
    """Return how many files there are and how their names end, as '12 other files (.txt 8, …)'."""
    counts = Counter(PurePosixPath(file.name).suffix or file.name for file in files)
    total = sum(counts.values())
    parts = [f'{ending} {count}' for ending, count in counts.most_common(_MOST_ENDINGS)]
    rest = ', …' if len(counts) > _MOST_ENDINGS else ''
    return f'{total} other file{"s" if total > 1 else ""} ({", ".join(parts)}{rest})'
