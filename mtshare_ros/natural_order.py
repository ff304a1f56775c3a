"""The order in which people count files."""

from pathlib import Path
import re
from typing import Any


def natural_key(path: Path) -> tuple[Any, ...]:
    """Return a key that sorts numbers in names by their value, frame_2 before frame_10."""
    parts = re.findall(r'([^0-9]*)([0-9]*)', path.stem)
    return [(text, int(number or 0)) for text, number in parts], path.name
