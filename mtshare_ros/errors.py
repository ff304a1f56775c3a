"""
The exceptions whose messages are written for the user.

Every message says what is wrong, the value, where it came from, what is allowed and what to do.
"""

from importlib import import_module
from typing import Any

LONGEST_QUOTE = 60
"""Characters shown of a text from a message; a publisher may send one of any length."""


class MtshareError(Exception):
    """An error that the user can correct; commands print its text without a traceback."""


class ConfigError(MtshareError):
    """A configuration file or a parameter holds a wrong key or value."""


class ModelError(MtshareError):
    """A model file is missing, damaged, or does not fit."""


class FrameError(MtshareError):
    """An input image cannot be used."""


class DeviceError(MtshareError):
    """The requested compute device is missing, or does not support what was requested."""


class DatasetError(MtshareError):
    """A data set folder is incomplete or damaged."""


class DatasetWarning(UserWarning):
    """A data set holds something that is allowed, but is most likely a mistake."""


class RecordingError(MtshareError):
    """A bag, a video or an image file cannot be read, or an output cannot be written."""


class PlaceError(RecordingError):
    """The output of a fleet cannot be read or written; the recordings are not at fault."""


class MissingExtraError(MtshareError):
    """An optional dependency is not installed; the message names the extra that brings it."""


class TrainingError(MtshareError):
    """A training run cannot continue; its last saved state is on disk."""


class FleetError(MtshareError):
    """The workers of a fleet, or the cluster they shall run on, cannot be used; or one failed."""


_PROJECTS = {'PIL': 'Pillow', 'skimage': 'scikit-image', 'scipy': 'SciPy'}
"""Names of libraries by those of their modules, where the two differ."""


def quote(text: str) -> str:
    """Return a text from a message in quotes, on one line of at most LONGEST_QUOTE characters."""
    if len(text) <= LONGEST_QUOTE:
        return repr(text)
    return f'{text[:LONGEST_QUOTE]!r}... ({len(text)} characters)'


def import_extra(module: str, purpose: str, extra: str) -> Any:
    """Import an optional library; if it is missing, raise MissingExtraError naming the extra."""
    try:
        return import_module(module)
    except ImportError as error:
        name = module.partition('.')[0]
        raise MissingExtraError(
            f'{purpose} needs {_PROJECTS.get(name, name)}, which cannot be imported ({error}); '
            f"install it with: pip install 'mtshare_ros[{extra}]'"
        ) from error
