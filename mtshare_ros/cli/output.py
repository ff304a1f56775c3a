"""Writing results: tables, JSON files, pictures."""

import json
import math
from pathlib import Path
import sys
from typing import Any, Callable, Iterable, Sequence

import numpy as np
import typer

from mtshare_ros.errors import ConfigError, MissingExtraError
from mtshare_ros.file_paths import check_parent

_WIDTH_OF_FILES = 200


def print_table(title: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a title, and rows of text; the first column is left-aligned, the others figures."""
    from rich.console import Console

    typer.echo(f'\n{title}')
    # a file or a pipe has no width that a figure would have to be cut for
    width = None if sys.stdout.isatty() else _WIDTH_OF_FILES
    Console(width=width).print(make_table(heads, rows))


def make_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Any:
    """Return a ``rich`` table; the first column is left-aligned, the others are figures."""
    from rich.box import SIMPLE_HEAD
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, show_header=any(heads))
    for number, head in enumerate(heads):
        table.add_column(escape(head), justify='left' if number == 0 else 'right', no_wrap=True)
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    return table


def write_json(path: Path, values: Any) -> None:
    """Write values as indented JSON; what is not a number becomes null."""
    text = json.dumps(_plain(values), indent=2, allow_nan=False)
    _write(path, lambda: path.write_text(text + '\n'))
    typer.echo(f'wrote {path}')


def save_picture(path: Path, pixels: np.ndarray) -> None:
    """Save (H, W, 3) uint8 RGB as a picture; the ending of the name chooses the format."""
    check_picture_path(path)
    from PIL import Image

    _write(path, lambda: Image.fromarray(pixels).save(path))
    typer.echo(f'wrote {path}')


def check_picture_path(path: Path | None) -> None:
    """Refuse what could not be saved before the work begins; None is fine."""
    if path is None:
        return
    try:
        import PIL  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            "saving a picture needs Pillow, which is not installed: pip install 'mtshare_ros[cli]'"
        ) from error
    if path.suffix.lower() != '.png':
        raise ConfigError(f'--sheet is {str(path)!r}; allowed is a file name that ends with .png')
    check_folder(path)


def check_folder(path: Path | None) -> None:
    """Refuse a file that could not be written before the work begins; None is fine."""
    if path is not None and path.is_dir():
        raise ConfigError(f'{path}: is a folder; give the name of a file')
    if path is not None:
        check_parent(path)


def _write(path: Path, action: Callable[[], Any]) -> None:
    try:
        action()
    except OSError as error:
        raise ConfigError(f'{path}: cannot be written: {error.strerror}') from error


def _plain(values: Any) -> Any:
    if isinstance(values, dict):
        return {str(key): _plain(value) for key, value in values.items()}
    if isinstance(values, (list, tuple)):
        return [_plain(value) for value in values]
    if isinstance(values, np.generic):
        values = values.item()
    return None if isinstance(values, float) and not math.isfinite(values) else values
