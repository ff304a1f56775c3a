"""Where the files of a fleet lie in its output, by names relative to that."""

from mtshare_ros.fleet.output.places import Place
from mtshare_ros.fleet.shards.formats import SHARD_FORMATS
from mtshare_ros.recording.segmented_bag import file_name

FLEET_FILE = 'fleet.json'
"""The file that marks the output of a fleet."""

MANIFEST, PAGE = 'manifest.parquet', 'summary.html'
PARTS, BAGS, SHARDS, PICTURES = 'manifest', 'bags', 'shards', 'summary'

OUTPUTS = (MANIFEST, PARTS, BAGS, SHARDS, PICTURES, PAGE)
"""What a fleet writes, besides ``FLEET_FILE``."""

PART = '.part'
"""The ending of folders that hold unfinished bags."""


def bag_folder(name: str) -> str:
    """Return the folder of the bag of a recording."""
    return f'{BAGS}/{name}'


def unfinished_folder(place: Place, name: str) -> str:
    """
    Return the folder in which a bag is put together.

    In a local folder that is another one, which is renamed at the end: a bag of that name is
    always complete. Objects of a store cannot be renamed without copying them; there a bag is
    complete when its metadata.yaml is there, which is written last.
    """
    folder = bag_folder(name)
    return folder if place.local_path(folder) is None else f'{folder}{PART}'


def bag_file(name: str, number: int, storage: str) -> str:
    """Return the name of the file of one segment in its bag's folder."""
    return file_name(name.rpartition('/')[2], number, storage)


def shard(name: str, number: int, kind: str) -> str:
    """Return the shard of one segment."""
    return f'{SHARDS}/{name}-{number:05d}{SHARD_FORMATS[kind]}'


def picture(name: str, number: int, suffix: str) -> str:
    """Return a picture of one segment; the suffix tells pictures of a segment apart."""
    return f'{PICTURES}/{name}-{number:05d}{suffix}.jpg'


def possible_names(place: Place, output: str) -> tuple[str, ...]:
    """Return the names that the file of a segment may have: in a bag or an unfinished one."""
    folder, _, file = output.rpartition('/')
    if not folder.startswith(f'{BAGS}/'):
        return (output,)
    return output, f'{unfinished_folder(place, folder.removeprefix(f"{BAGS}/"))}/{file}'
