"""Search the largest number at which an error is still within a bound."""

from dataclasses import dataclass
import math
from typing import Callable, Sequence

CLOSE_ENOUGH = 0.96
"""A search ends at an error above this share of the bound: clips differ by more than the rest."""

_ALIKE = 0.99
_AIM = 0.98
_LARGEST_STEP = 4.0
_MARGIN = 0.1
_STEEPEST = 4.0


@dataclass(frozen=True)
class Found:
    """A number that was tried and the error measured with it; ``within``: at most the bound."""

    value: float
    error: float
    within: bool


def largest_within(
    error_at: Callable[[float], float], bound: float, *, first: float, low: float, high: float,
    steps: int,
) -> Found:
    """
    Search the largest number with an error within ``bound``, in at most ``steps`` measurements.

    The number is between ``low`` and ``high``; ``first`` is tried first. The next number to try
    follows from the assumption that the error grows about as a power of the number. Where no
    number is within the bound, returns the smallest one tried. Where even ``high`` is within it,
    the error may have stopped growing at a smaller number: a threshold above all changes in the
    clips would not limit larger changes elsewhere. So the number is then halved as long as the
    error stays the same.
    """
    tried: list[Found] = []
    value = first
    while len(tried) < steps:
        error = error_at(value)
        found = Found(value, error, error <= bound)
        tried.append(found)
        if found.within and value >= high:
            return _lowered(found, error_at, low, steps - len(tried))
        if found.within and error >= CLOSE_ENOUGH * bound:
            return found
        if not found.within and value <= low:
            return found
        value = _next(tried, bound, low, high)
    good = [found for found in tried if found.within]
    if good:
        return max(good, key=lambda found: found.value)
    return min(tried, key=lambda found: found.value)


def _lowered(
    found: Found, error_at: Callable[[float], float], low: float, steps: int
) -> Found:
    """Halve the number in at most ``steps`` measurements, as long as the error stays the same."""
    for _ in range(steps):
        value = found.value / 2
        if value < low or error_at(value) < _ALIKE * found.error:
            break
        found = Found(value, found.error, True)
    return found


def _next(tried: Sequence[Found], bound: float, low: float, high: float) -> float:
    """Return where a power law through the nearest measurements meets the bound."""
    above = [found for found in tried if not found.within]
    ceiling = min(above, key=lambda found: found.value, default=None)
    below = [found for found in tried
             if found.within and (ceiling is None or found.value < ceiling.value)]
    floor = max(below, key=lambda found: found.value, default=None)
    if ceiling is None or floor is None:
        return _extrapolated(tried, bound, low, high)
    if floor.error <= 0:
        return math.sqrt(floor.value * ceiling.value)
    share = math.log(_AIM * bound / floor.error) / math.log(ceiling.error / floor.error)
    share = min(max(share, _MARGIN), 1 - _MARGIN)
    return floor.value * (ceiling.value / floor.value) ** share


def _extrapolated(tried: Sequence[Found], bound: float, low: float, high: float) -> float:
    """
    Return the number at which a power law through the last two measurements meets the bound.

    With one measurement, the error is taken to be proportional to the number.
    """
    last = tried[-1]
    if last.error <= 0:
        return min(last.value * _LARGEST_STEP, high)
    ratio = (_AIM * bound / last.error) ** (1 / _power(tried[-2:]))
    ratio = min(max(ratio, 1 / _LARGEST_STEP), _LARGEST_STEP)
    return min(max(last.value * ratio, low), high)


def _power(pair: Sequence[Found]) -> float:
    """Return the exponent of the power law through the first and the last measurement."""
    first, last = pair[0], pair[-1]
    if first.error <= 0 or last.error <= 0 or first.value == last.value:
        return 1.0
    power = math.log(last.error / first.error) / math.log(last.value / first.value)
    return min(max(power, 1 / _STEEPEST), _STEEPEST)
