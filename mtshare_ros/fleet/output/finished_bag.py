"""The end of a recording in a fleet: its files become a bag."""

from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mtshare_ros.fleet.output.layout import bag_folder, unfinished_folder
from mtshare_ros.fleet.output.places import Place
from mtshare_ros.recording.bag_folder import METADATA
from mtshare_ros.recording.segmented_bag import write_metadata


def is_finished(place: Place, name: str) -> bool:
    """Return whether the bag of a recording is complete, and no newer files wait for it."""
    folder, unfinished = bag_folder(name), unfinished_folder(place, name)
    return place.exists(f'{folder}/{METADATA}') and not (
        unfinished != folder and place.exists(unfinished))


def finish_bag(place: Place, name: str, files: Sequence[Mapping[str, Any]]) -> None:
    """
    Write metadata.yaml, remove files of other runs, and give the bag its name.

    ``files`` are those of the bag, by ``file`` and ``metadata``, in their order.
    """
    folder, unfinished = bag_folder(name), unfinished_folder(place, name)
    _collect(place, {file['file'] for file in files}, folder, unfinished)
    with TemporaryDirectory(prefix='mtshare_fleet_') as scratch:
        write_metadata(Path(scratch), files)
        place.write_bytes(f'{unfinished}/{METADATA}', Path(scratch, METADATA).read_bytes())
    if unfinished != folder:
        place.remove(folder, recursive=True)
        place.rename(unfinished, folder)


def _collect(place: Place, wanted: Set[str], folder: str, unfinished: str) -> None:
    """Bring the files of a bag together, where some of them are in the bag of an earlier run."""
    there = {file.removeprefix(f'{unfinished}/') for file in place.list(unfinished)}
    for file in there - wanted:
        place.remove(f'{unfinished}/{file}')
    for file in wanted - there:
        place.rename(f'{folder}/{file}', f'{unfinished}/{file}')
