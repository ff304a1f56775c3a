"""
Shared memory that killed nodes leave behind.

A participant of Fast DDS has a segment of 32 MB and removes it when it ends. One that is killed
cannot; after some hundred tests the memory of the machine would be full.
"""

import fcntl
from pathlib import Path

FOLDER = Path('/dev/shm')
LOCK = '_el'
"""Ends the name of the file that the owner of a segment keeps locked as long as it lives."""


def segments_of(pid):
    """Return the segments that a process has mapped, its own and those of its neighbours."""
    try:
        lines = Path(f'/proc/{pid}/maps').read_text().splitlines()
    except OSError:
        return set()
    paths = {Path(line.split(maxsplit=5)[-1]) for line in lines if f'{FOLDER}/fast' in line}
    return {path for path in paths if 'port' not in path.name}


def remove_orphans(segments):
    """Remove the segments whose owner has gone."""
    for segment in segments:
        lock = segment.with_name(segment.name + LOCK)
        try:
            with lock.open('r+') as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                segment.unlink(missing_ok=True)
                lock.unlink(missing_ok=True)
        except OSError:  # the owner lives, or has removed it
            continue
