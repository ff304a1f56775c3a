"""Results as they come, one line of JSON each, so that a step that dies loses nothing."""

from dataclasses import dataclass
import json
from pathlib import Path
from typing import Any

Line = dict[str, Any]
DONE = 'done'


@dataclass(frozen=True)
class Results:
    """A file of lines, each an object of JSON that says which ``step`` found ``what``."""

    path: Path

    def add(self, step: str, what: str, **values: Any) -> None:
        """Append a line; it is in the file when this returns."""
        line = json.dumps({'step': step, 'what': what, **values}, default=str)
        with self.path.open('a') as file:
            file.write(line + '\n')

    def lines(self) -> list[Line]:
        """Return all lines; one that was cut off while it was written is left out."""
        found = []
        for text in self.path.read_text().splitlines() if self.path.exists() else []:
            try:
                found.append(json.loads(text))
            except ValueError:
                continue
        return found


def chosen(lines: list[Line], step: str, what: str = '') -> list[Line]:
    """Return the lines of a step, whose name may have a subject behind a colon."""
    return [line for line in lines if line['step'].partition(':')[0] == step
            and (not what or line['what'] == what)]
