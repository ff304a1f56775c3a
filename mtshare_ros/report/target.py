"""A target, what was measured of it, and whether it was reached."""

from dataclasses import dataclass
from typing import Callable, Iterable

from mtshare_ros.report.text import bullets, written


@dataclass(frozen=True)
class Reading:
    """One figure that a target is about; the written one is ``factor`` times the value."""

    name: str
    value: float | None
    form: str
    unit: str = ''
    factor: float = 1.0

    def __str__(self) -> str:
        """Return the figure with its name and unit."""
        return f'{self.name} {written(self.value, self.form, self.factor, self.unit)}'.strip()


@dataclass(frozen=True)
class Target:
    """What all ``readings`` have to hold; one that was not measured holds nothing."""

    text: str
    holds: Callable[[float], bool]
    readings: tuple[Reading, ...]

    @property
    def verdict(self) -> str:
        """Say whether it was reached; a single reading that fails decides."""
        values = [reading.value for reading in self.readings]
        known = [value for value in values if value is not None]
        if not all(self.holds(value) for value in known):
            return 'not reached'
        if len(known) == len(values):
            return 'reached'
        return 'reached as far as measured' if known else 'not measured'

    def __str__(self) -> str:
        """Return the verdict, the target and its readings, those that fail in bold."""
        shown = ', '.join(f'**{reading}**' if self._fails(reading) else str(reading)
                          for reading in self.readings)
        return f'**{self.verdict}**: {self.text}' + (f': {shown}' if shown else '')

    def _fails(self, reading: Reading) -> bool:
        return reading.value is not None and not self.holds(reading.value)


def write_targets(targets: Iterable[Target]) -> str:
    """Return a list, with how many of all were reached."""
    found = list(targets)
    reached = sum(target.verdict == 'reached' for target in found)
    return (f'{reached} of {len(found)} reached. What fails is in bold.\n\n'
            + bullets(map(str, found)))
