"""The description in a model file, read without its weights and without PyTorch."""

from pathlib import Path
from typing import Mapping

from mtshare_ros.errors import ConfigError, ModelError
from mtshare_ros.model.description import from_header, ModelDescription
from mtshare_ros.model.weight_files import open_weights

_LONGEST_ERROR = 1000


def read_description(path: Path) -> ModelDescription:
    """Return the description in a model file, without weights; errors as ``load_checkpoint``."""
    with open_weights(path, framework='np') as file:
        return describe(file.metadata(), path)


def describe(header: Mapping[str, str] | None, path: Path) -> ModelDescription:
    """Return the description in the header of a file; raise ModelError where it is invalid."""
    try:
        return from_header(header, str(path))
    except ConfigError as error:
        raise unusable(error) from error


def unusable(reason: object) -> ModelError:
    """Return the error for a model file that cannot be used, with a reason of any length."""
    text = str(reason)
    short = text if len(text) <= _LONGEST_ERROR else f'{text[:_LONGEST_ERROR]}...'
    return ModelError(f'{short}; the file is damaged or of another version: get it again')
