"""Places where something is to be written."""

from pathlib import Path
import tempfile

from mtshare_ros.errors import ConfigError


def check_parent(path: Path) -> None:
    """Raise ConfigError where nothing can be written under a path, before hours of work."""
    folder = path.absolute().parent
    if not folder.is_dir():
        raise ConfigError(f'{path}: there is no folder {folder}; create it first')
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ConfigError(f'{path}: nothing can be written into {folder}: {error.strerror}; give '
                          'another place, or change its permissions') from error
