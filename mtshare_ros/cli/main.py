"""The entry point of the command ``mtshare``."""

import sys

_EXTRA = {'click', 'rich', 'typer'}


def main() -> None:
    """Run the command line; where its libraries are missing, say how to get them."""
    try:
        from mtshare_ros.cli.app import app
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split('.')[0] not in _EXTRA:
            raise
        sys.exit(f"mtshare: error: the command line needs {error.name}, which is not installed: "
                 "pip install 'mtshare_ros[cli]'")
    app(prog_name='mtshare')


if __name__ == '__main__':
    main()
