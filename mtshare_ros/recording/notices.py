"""Messages for the user that are said once, however often their cause comes up."""

from typing import Callable


class Notices:
    """Passes lines on to ``say``, one for each cause."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._causes: set[str] = set()

    def say_once(self, line: str, cause: str) -> None:
        """Say a line, once for each cause; an empty cause is no reason to say it."""
        if cause and cause not in self._causes:
            self._causes.add(cause)
            self._say(line)
