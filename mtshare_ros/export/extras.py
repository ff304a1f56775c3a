"""The optional libraries of exports, imported where they are needed."""

from importlib import import_module
from typing import Any

from mtshare_ros.errors import MissingExtraError


def require_library(name: str) -> Any:
    """Return a library; raise MissingExtraError, naming the extra, where it is not installed."""
    try:
        return import_module(name)
    except ImportError as error:
        raise MissingExtraError(f'exporting needs {name}, which cannot be imported ({error}); '
                                "install it with: pip install 'mtshare_ros[export]'") from error
