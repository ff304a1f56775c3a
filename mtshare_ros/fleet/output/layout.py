"""Where the files of a fleet lie in its output."""

from mtshare_ros.fleet.output.places import Place
from mtshare_ros.fleet.shards.formats import FORMATS as SHARD_ENDINGS
from mtshare_ros.recording.segmented_bag import file_name

BAGS, SHARDS, PICTURES = 'bags', 'shards', 'summary'


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
    return folder if place.local_path(folder) is None else f'{folder}.part'


def bag_file(name: str, number: int, storage: str) -> str:
    """Return the name of the file of one segment in its bag's folder."""
    return file_name(name.rpartition('/')[2], number, storage)


def shard(name: str, number: int, kind: str) -> str:
    """Return the shard of one segment."""
    return f'{SHARDS}/{name}-{number:05d}{SHARD_ENDINGS[kind]}'


def picture(name: str, number: int, suffix: str) -> str:
    """Return a picture of one segment; the suffix tells pictures of a segment apart."""
    return f'{PICTURES}/{name}-{number:05d}{suffix}.jpg'


def places_of(place: Place, output: str) -> tuple[str, ...]:
    """Return the names that the file of a segment may have: in a bag or an unfinished one."""
    folder, _, file = output.rpartition('/')
    if not folder.startswith(f'{BAGS}/'):
        return (output,)
    return output, f'{unfinished_folder(place, folder.removeprefix(f"{BAGS}/"))}/{file}'
