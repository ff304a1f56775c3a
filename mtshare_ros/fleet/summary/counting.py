"""How segments are counted so that counts add up, in fixed bins and whole numbers; their sums."""

from dataclasses import dataclass
import math
import re
from typing import Any, Iterable, Mapping

import numpy as np


@dataclass(frozen=True)
class Bins:
    """
    ``count`` intervals from ``low`` to ``high``, on a logarithmic scale or a linear one.

    They have the numbers 1 to ``count``; 0 is what is below ``low`` and ``count + 1`` what is
    above ``high``, which itself is in the last interval: a share may be all. Counts are stored
    sparsely, by the number as a text, as JSON needs it.
    """

    low: float
    high: float
    count: int
    logarithmic: bool = False

    def numbers(self, values: np.ndarray) -> np.ndarray:
        """Return the numbers of the intervals of finite values, on a logarithmic scale above 0."""
        low, high = self._scaled(self.low), self._scaled(self.high)
        scaled = np.log(values) if self.logarithmic else values
        found = np.floor((scaled - low) * (self.count / (high - low)))
        found = np.where(values == self.high, self.count - 1, found)
        return found.clip(-1, self.count).astype(np.intp) + 1

    def number(self, value: float) -> str:
        """Return the number of one value's interval, as it is stored."""
        below = self.logarithmic and value <= 0
        return '0' if below else str(int(self.numbers(np.asarray(value, np.float64))))

    def dense(self, counts: Mapping[str, int]) -> np.ndarray:
        """Return stored counts as (count + 2,) int64."""
        found = np.zeros(self.count + 2, np.int64)
        for number, count in counts.items():
            found[int(number)] += count
        return found

    def edge(self, number: float) -> float:
        """Return where an interval begins: 1 is ``low``, ``count + 1`` is ``high``."""
        low, high = self._scaled(self.low), self._scaled(self.high)
        at = low + (number - 1) / self.count * (high - low)
        return math.exp(at) if self.logarithmic else at

    def quantile(self, counts: Mapping[str, int], share: float) -> float:
        """
        Return the value below which a share of the counted values lies, NaN where there are none.

        It is exact to one interval; a value outside all of them counts as the nearest end.
        """
        found = self.dense(counts)
        below = found.cumsum()
        if below[-1] == 0:
            return math.nan
        wanted = share * below[-1]
        number = int(np.searchsorted(below, wanted))
        if not 1 <= number <= self.count:
            return self.low if number < 1 else self.high
        inside = (wanted - below[number - 1]) / found[number]
        return self.edge(number + inside)

    def _scaled(self, value: float) -> float:
        return math.log(value) if self.logarithmic else value


def sparse(counts: np.ndarray) -> dict[str, int]:
    """Return the counts (N,) that are not 0, by their number as a text."""
    return {str(number): int(counts[number]) for number in np.flatnonzero(counts)}


DEPTH = Bins(0.1, 100.0, 60, logarithmic=True)
"""Metres; an interval is 12 % wide."""

MILLISECONDS = Bins(0.1, 1e5, 240, logarithmic=True)
"""Of one frame; an interval is 6 % wide, so percentiles are exact to that."""

DIFFERENCE_BINS = {
    'semseg': Bins(1e-3, 1.0, 45, logarithmic=True),
    'depth': Bins(1e-3, 5.0, 55, logarithmic=True),
    'normals': Bins(0.1, 180.0, 49, logarithmic=True),
    'edge': Bins(1e-3, 1.0, 45, logarithmic=True),
}
"""Histograms over frames by task, in the unit of ``Disagreement.by_task``."""

MILLION = 1_000_000
"""Shares are stored as whole millionths: sums of floats would depend on their order."""

SAMPLES = 5000
"""About how many pixels of a frame are counted, so that the cost does not grow with its size."""


def sample_step(size: tuple[int, ...]) -> int:
    """Return n for maps of (height, width): every n-th row and column gives about SAMPLES."""
    return max(round((size[0] * size[1] / SAMPLES) ** 0.5), 1)


def sampled(values: np.ndarray) -> np.ndarray:
    """Return about SAMPLES pixels of a map (H, W) as (N,)."""
    step = sample_step(values.shape)
    return values[step // 2::step, step // 2::step].ravel()


def without_numbers(text: str) -> str:
    """Return a text with N in place of numbers, so that texts of one kind are equal."""
    return re.sub(r'\d+(\.\d+)?', 'N', text)


MOST_DIFFERENT = 12
"""How many of the frames in which two models differ most are kept."""


def merge(summaries: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """
    Return the summary of all segments together, which does not depend on their order or grouping.

    Numbers are added by name. Lists hold the frames that differ most, and of all of them the first
    MOST_DIFFERENT are kept. The summary of no segment is empty.
    """
    total: dict[str, Any] = {}
    for summary in summaries:
        add(total, summary)
    return total


def add(total: dict[str, Any], values: Mapping[str, Any]) -> None:
    """Add a summary to a total, which changes."""
    for name, value in values.items():
        if isinstance(value, int):
            total[name] = total.get(name, 0) + value
        elif isinstance(value, list):
            total[name] = _most_different(total.get(name, []), value)
        else:
            add(total.setdefault(name, {}), value)


def _most_different(
    kept: list[dict[str, Any]], frames: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return the MOST_DIFFERENT of all frames, the most different first."""
    if len(kept) == MOST_DIFFERENT:
        least = kept[-1]['score_ppm']
        frames = [frame for frame in frames if frame['score_ppm'] >= least]
    return sorted([*kept, *frames], key=_rank)[:MOST_DIFFERENT] if frames else kept


def _rank(frame: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what frames are sorted by; no two frames of a fleet agree in all of it."""
    return (-frame['score_ppm'], frame.get('recording', ''), frame.get('segment', 0),
            frame['time_ns'], frame['image'])
