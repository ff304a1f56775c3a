"""The optional libraries of recordings, imported where they are needed."""

from importlib import import_module
from typing import Any

from mtshare_ros.errors import MissingExtraError


def require(module: str, purpose: str, extra: str) -> Any:
    """Return a library; raise MissingExtraError, naming the extra, where it is not installed."""
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f'{purpose} needs {module.partition(".")[0]}, which cannot be imported ({error}); '
            f"install it with: pip install 'mtshare_ros[{extra}]'"
        ) from error
