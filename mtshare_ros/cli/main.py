"""The entry point of the command ``mtshare``."""

from collections.abc import Callable
import gc
import sys
from typing import Any
import warnings

from mtshare_ros.errors import DatasetWarning

_EXTRA = {'click', 'rich', 'typer'}


def main() -> None:
    """Run the command line; without its libraries, print how to install them."""
    try:
        from mtshare_ros.cli.app import app
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split('.')[0] not in _EXTRA:
            raise
        sys.exit(f"mtshare: error: the command line needs {error.name}, which is not installed: "
                 "pip install 'mtshare_ros[cli]'")
    warnings.formatwarning = _plain(warnings.formatwarning)
    try:
        app(prog_name='mtshare')
    finally:
        # else all that PyTorch and Ray made is searched for garbage at the end, for up to a second
        gc.freeze()


def _plain(usual: Callable[..., str]) -> Callable[..., str]:
    """Return a function that formats warnings of this package as one line, others as usual."""
    def format_warning(message: Warning | str, category: type[Warning], *place: Any) -> str:
        if issubclass(category, DatasetWarning):
            return f'mtshare: warning: {message}\n'
        return usual(message, category, *place)
    return format_warning


if __name__ == '__main__':
    main()
