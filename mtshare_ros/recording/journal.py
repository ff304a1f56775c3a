"""What an unfinished bag knows of itself, so that the same command can go on."""

from dataclasses import asdict, dataclass, field, fields
import json
import os
from pathlib import Path
from typing import Any, Mapping

from mtshare_ros.errors import RecordingError

JOURNAL = 'journal.json'
"""The name of its file in the folder of the unfinished bag."""


@dataclass
class Journal:
    """
    The finished segments of a bag that is being written.

    ``identity`` says from what and how it is made. ``position`` counts the messages that were
    taken from the input, ``frames`` the images of them that were computed, ``skipped`` those that
    could not be read. ``segments`` holds for each its file and its rosbag2 metadata.
    """

    identity: dict[str, Any]
    position: int = 0
    frames: int = 0
    skipped: int = 0
    segments: list[dict[str, Any]] = field(default_factory=list)

    def save(self, path: Path) -> None:
        """Write it in one step: a kill in the middle leaves the former one."""
        draft = path.with_suffix('.draft')
        draft.write_text(json.dumps(asdict(self)))
        os.replace(draft, path)


def load_journal(path: Path) -> Journal:
    """Read a journal; raise RecordingError where it is none."""
    try:
        values = json.loads(path.read_text())
        return Journal(**{item.name: values[item.name] for item in fields(Journal)})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RecordingError(
            f'{path}: is no journal of an unfinished bag ({error!r}); remove {path.parent}, or '
            'give another OUT') from error


def check_identity(journal: Journal, wanted: Mapping[str, Any], folder: Path) -> None:
    """
    Raise RecordingError, naming the first difference, where another command made it.

    What rounds differently counts as another one, such as another number of threads.
    """
    for name, value in wanted.items():
        before = journal.identity.get(name)
        if before != value:
            raise RecordingError(
                f'{folder} is the unfinished bag of another command: {name} was {before!r}, now '
                f'it is {value!r}; repeat that command as and where it was begun, or begin anew '
                'with --overwrite'
            )
