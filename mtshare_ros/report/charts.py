"""Where the bars and marks of a chart are, for a template that draws them as SVG."""

from dataclasses import dataclass
import math
from typing import NamedTuple, Sequence

WIDTH = 440
"""Pixels of a chart; it shrinks to a narrow window, where its text stays readable."""

_LEFT, _RIGHT, _TOP, _PLOT = 44, 10, 8, 130
_MOST_MARKS = 7


class Mark(NamedTuple):
    """A place on an axis, in pixels, and what is written there."""

    at: float
    text: str


class Bar(NamedTuple):
    """A rectangle in pixels, and what it says."""

    left: float
    top: float
    width: float
    height: float
    text: str


@dataclass(frozen=True)
class Histogram:
    """
    Counts in the intervals between ``edges``, one more than ``counts``, drawn as shares of all.

    ``below`` and ``above`` are counts beyond the edges, which are said but not drawn. With
    ``logarithmic`` the axis is; the intervals are evenly wide on it. ``unit`` is that of the
    edges, ``what`` says what is counted.
    """

    title: str
    unit: str
    what: str
    edges: Sequence[float]
    counts: Sequence[int]
    below: int = 0
    above: int = 0
    logarithmic: bool = False

    width = WIDTH
    height = _TOP + _PLOT + 40
    left, bottom = _LEFT, _TOP + _PLOT
    right = WIDTH - _RIGHT

    @property
    def total(self) -> int:
        """Return all counts."""
        return sum(self.counts) + self.below + self.above

    @property
    def shown(self) -> range:
        """Return the numbers of the intervals that are drawn: those from first to last count."""
        known = [number for number, count in enumerate(self.counts) if count]
        if not known:
            return range(len(self.counts))
        return range(max(known[0] - 1, 0), min(known[-1] + 2, len(self.counts)))

    @property
    def bars(self) -> list[Bar]:
        """Return a bar for each drawn interval that has a count."""
        step, most = self._step, self._most
        return [Bar(self.left + place * step, self.bottom - height, max(step - 1, 0.5), height,
                    f'{self._written(number)}: {percent(self.counts[number] / self.total)}')
                for place, number in enumerate(self.shown) if self.counts[number]
                for height in (self.counts[number] / self.total / most * _PLOT,)]

    @property
    def values(self) -> list[Mark]:
        """Return the marks of the axis of values."""
        low, high = self.edges[self.shown[0]], self.edges[self.shown[-1] + 1]
        marks = log_marks(low, high) if self.logarithmic else even_marks(low, high)
        scaled = math.log if self.logarithmic else float
        span = scaled(high) - scaled(low)
        return [Mark(self.left + (scaled(value) - scaled(low)) / span * (self.right - self.left),
                     f'{value:g}') for value in marks]

    @property
    def shares(self) -> list[Mark]:
        """Return the marks of the axis of shares."""
        return [Mark(self.bottom - value / (100 * self._most) * _PLOT, f'{value:g}')
                for value in even_marks(0, 100 * self._most, 5)]

    @property
    def beyond(self) -> str:
        """Return what lies beyond the edges, empty where nothing does."""
        ends = (self.below, 'below', self.edges[0]), (self.above, 'above', self.edges[-1])
        parts = [f'{percent(count / self.total)} {word} {edge:g} {self.unit}'.strip()
                 for count, word, edge in ends if count]
        return 'Not drawn: ' + ', '.join(parts) + '.' if parts else ''

    @property
    def rows(self) -> list[tuple[str, str]]:
        """Return the chart as a table: intervals and their shares."""
        return [(self._written(number), percent(self.counts[number] / self.total, 2))
                for number in self.shown if self.counts[number]]

    @property
    def _most(self) -> float:
        return max(self.counts) / self.total if self.total and max(self.counts) else 1.0

    @property
    def _step(self) -> float:
        return (self.right - self.left) / len(self.shown)

    def _written(self, number: int) -> str:
        return f'{self.edges[number]:.3g} to {self.edges[number + 1]:.3g} {self.unit}'.strip()


@dataclass(frozen=True)
class Share:
    """A part of a whole: its name, its share of 1, its RGB colour (0-255)."""

    name: str
    share: float
    color: tuple[int, int, int]


@dataclass(frozen=True)
class ShareChart:
    """Horizontal bars of shares in per cent, the largest first."""

    title: str
    shares: Sequence[Share]

    width = WIDTH
    left, right = 132, WIDTH - 52
    row = 22

    @property
    def height(self) -> float:
        """Return the pixels of the chart from top to bottom."""
        return self.bottom + 38

    @property
    def bottom(self) -> float:
        """Return where the axis is."""
        return _TOP + self.row * len(self.shares)

    @property
    def bars(self) -> list[Bar]:
        """Return the bars, which say the share."""
        return [Bar(self.left, _TOP + self.row * number + 3,
                    max(item.share / self._most * (self.right - self.left), 1), self.row - 7,
                    percent(item.share)) for number, item in enumerate(self.shares)]

    @property
    def values(self) -> list[Mark]:
        """Return the marks of the axis."""
        return [Mark(self.left + value / (100 * self._most) * (self.right - self.left),
                     f'{value:g}') for value in even_marks(0, 100 * self._most, 5)]

    @property
    def _most(self) -> float:
        return max((item.share for item in self.shares), default=0) or 1.0


def percent(share: float, digits: int = 1) -> str:
    """Return a share of 1 in per cent; no line breaks before the sign."""
    return f'{100 * share:.{digits}f}\N{NO-BREAK SPACE}%'


def even_marks(low: float, high: float, most: int = _MOST_MARKS) -> list[float]:
    """Return round numbers from ``low`` to ``high``, ``most`` at most."""
    size = 10 ** math.floor(math.log10((high - low) / most))
    step = next(size * factor for factor in (1, 2, 5, 10, 20)
                if (high - low) / (size * factor) <= most - 1)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]


def log_marks(low: float, high: float) -> list[float]:
    """Return round numbers from ``low`` to ``high``: 1, 2, 5 times powers of ten if these do."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1, 2, 5), (1, 3), (1,)):
        marks = [float(f'{factor}e{power}') for power in powers for factor in factors]
        marks = [value for value in marks if low <= value <= high]
        if len(marks) <= 9:
            break
    return marks if len(marks) > 2 else even_marks(low, high)
