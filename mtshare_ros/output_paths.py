"""Places where something is to be written, tried before hours of work."""

from pathlib import Path
import tempfile

from mtshare_ros.errors import ConfigError


def check_parent(path: Path) -> None:
    """Raise ConfigError where the folder of a path is not there, or cannot be written."""
    folder = path.absolute().parent
    if not folder.is_dir():
        raise ConfigError(f'{path}: there is no folder {folder}; create it first')
    _try(path, folder)


def check_new_folder(path: Path) -> None:
    """Raise ConfigError where a folder, which need not be there, could not be written."""
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
