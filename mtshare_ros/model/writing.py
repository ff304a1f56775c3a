"""Files that are there in full or not at all."""

from contextlib import contextmanager
import os
from pathlib import Path
from typing import Iterator


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a path to write to; the finished file takes the place of ``path`` in one step."""
    partial = path.with_name(f'{path.name}.part')
    try:
        partial.touch()
        mode = partial.stat().st_mode
        yield partial
        # safetensors lets the owner alone read what it writes, whatever the user's mask says
        partial.chmod(mode)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
