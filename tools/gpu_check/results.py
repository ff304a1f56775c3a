"""Results as a file of JSON lines, written at once: a step that dies loses none of its results."""

from dataclasses import dataclass
import json
from pathlib import Path
from typing import Any

Line = dict[str, Any]
DONE = 'done'


@dataclass(frozen=True)
class Results:
    """A file with one JSON object a line, which names the ``step`` and ``what`` it measured."""

    path: Path

    def add(self, step: str, what: str, **values: Any) -> None:
        """Append a line and write it to the file before returning."""
        line = json.dumps({'step': step, 'what': what, **values}, default=str)
        with self.path.open('a') as file:
            file.write(line + '\n')

    def lines(self) -> list[Line]:
        """Return all lines, without one that was cut off while it was written."""
        found = []
        for text in self.path.read_text().splitlines() if self.path.exists() else []:
            try:
                found.append(json.loads(text))
            except ValueError:
                continue
        return found


def chosen(lines: list[Line], step: str, what: str = '') -> list[Line]:
    """Return the lines of a step; its name may be followed by a colon and a model."""
    return [line for line in lines if line['step'].partition(':')[0] == step
            and (not what or line['what'] == what)]
