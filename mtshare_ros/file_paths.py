"""Paths of files: shipped ones, the user's models, places to write to, and the order of frames."""

import os
from pathlib import Path
import re
import sys
import tempfile
from typing import Any, Mapping

from mtshare_ros.errors import ConfigError

PACKAGE = 'mtshare_ros'


def share_directory() -> Path:
    """
    Return the folder that holds ``config/``, ``models/`` and ``launch/``.

    A source checkout comes first, so that edits there take effect at once; then the prefixes of
    the ament index, then the prefix of this Python.
    """
    checkout = Path(__file__).resolve().parent.parent
    if (checkout / 'package.xml').is_file():
        return checkout
    prefixes = os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep) + [sys.prefix]
    candidates = [Path(prefix) / 'share' / PACKAGE for prefix in prefixes if prefix]
    for candidate in candidates:
        if (candidate / 'package.xml').is_file():
            return candidate
    looked = ', '.join(str(path) for path in [checkout, *candidates])
    raise FileNotFoundError(
        f'the shared files of {PACKAGE} are missing; looked in {looked}; install the package again'
    )


def user_models_directory(environment: Mapping[str, str] = os.environ) -> Path | None:
    """
    Return the folder of the models that the user added, which need not exist.

    It is $MTSHARE_MODELS, otherwise mtshare_ros/models in $XDG_DATA_HOME or in ~/.local/share;
    None for a user without a home folder.
    """
    if chosen := environment.get('MTSHARE_MODELS'):
        return Path(os.path.expanduser(chosen)).absolute()
    data = environment.get('XDG_DATA_HOME', '')
    if not os.path.isabs(data):  # the XDG standard ignores relative paths
        data = os.path.join(environment.get('HOME') or os.path.expanduser('~'), '.local', 'share')
    return Path(data) / PACKAGE / 'models' if os.path.isabs(data) else None


def check_parent(path: Path) -> None:
    """Raise ConfigError where the folder of a path does not exist or cannot be written."""
    folder = path.absolute().parent
    if not folder.is_dir():
        raise ConfigError(f'{path}: there is no folder {folder}; create it first')
    _try(path, folder)


def check_new_folder(path: Path) -> None:
    """Raise ConfigError where a folder, which need not exist yet, could not be written."""
    folder = path.absolute()
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir():
        raise ConfigError(f'{path}: cannot be written: {folder} is a file; give another place')
    _try(path, folder)


def _try(path: Path, folder: Path) -> None:
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ConfigError(f'{path}: nothing can be written into {folder}: {error.strerror}; give '
                          'another place, or change its permissions') from error


def natural_key(path: Path) -> tuple[Any, ...]:
    """Return a key that sorts numbers in names by their value, frame_2 before frame_10."""
    return natural_order(path.stem), path.name


def natural_order(text: str) -> list[tuple[str, int]]:
    """Return a key that sorts numbers in texts by their value; texts may have equal ones."""
    parts = re.findall(r'([^0-9]*)([0-9]*)', text)
    return [(letters, int(digits or 0)) for letters, digits in parts]
