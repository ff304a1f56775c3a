"""Which files a bag has, by its metadata.yaml and by what lies in its folder."""

from dataclasses import dataclass, field
import math
from pathlib import Path
from typing import Any

import yaml

from mtshare_ros.recording.bag_parts import PACKED, storage_of

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
        information = yaml.safe_load((path / METADATA).read_text())['rosbag2_bagfile_information']
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
