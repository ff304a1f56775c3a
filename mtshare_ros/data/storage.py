"""How frames lie on disk: what writers and readers of them share."""

import json
import os
from pathlib import Path
from typing import Any

NORMAL_SCALE = 127.0
"""Stored normals are 8-bit integers: round(n x 127)."""


def replace_json(path: Path, values: dict[str, Any]) -> None:
    """Replace a JSON file in one step, so that a kill leaves the old or the new one."""
    partial = path.with_name(f'{path.name}.part')
    partial.write_text(json.dumps(values, indent=2) + '\n')
    os.replace(partial, path)
