"""Find the largest number at which an error is still within a bound."""

from dataclasses import dataclass
import math
from typing import Callable, Sequence

CLOSE_ENOUGH = 0.96
"""A search ends at this share of the bound, because clips differ by more than the rest."""

_ALIKE = 0.99
_AIM = 0.98
_LARGEST_STEP = 4.0
_MARGIN = 0.1
_STEEPEST = 4.0


@dataclass(frozen=True)
class Found:
    """The number found and the error measured with it; ``within`` tells whether it holds."""

    value: float
    error: float
    within: bool


def largest_within(
    error_at: Callable[[float], float], bound: float, *, first: float, low: float, high: float,
    steps: int,
) -> Found:
    """
    Look for the number from ``low`` to ``high`` in at most ``steps`` measurements.

    Assumes that the error grows about as a power of the number. Returns the smallest number that
    was tried where none is within the bound. Where even ``high`` is within it, the error may have
    stopped growing at a smaller number already; returns the smallest one with the same error,
    found by halving, because a threshold above all changes that occur would not bound larger ones.
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
    """Halve the number in at most ``steps`` measurements, as long as the error stays."""
    for _ in range(steps):
        value = found.value / 2
        if value < low or error_at(value) < _ALIKE * found.error:
            break
        found = Found(value, found.error, True)
    return found


def _next(tried: Sequence[Found], bound: float, low: float, high: float) -> float:
    """Return where a power law through the measurements nearest to the bound meets it."""
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
    """Go on from the last measurement, as the last two say; the error of one is proportional."""
    last = tried[-1]
    if last.error <= 0:
        return min(last.value * _LARGEST_STEP, high)
    ratio = (_AIM * bound / last.error) ** (1 / _power(tried[-2:]))
    ratio = min(max(ratio, 1 / _LARGEST_STEP), _LARGEST_STEP)
    return min(max(last.value * ratio, low), high)


def _power(pair: Sequence[Found]) -> float:
    """Return the exponent with which the error grows from the first to the last."""
    first, last = pair[0], pair[-1]
    if first.error <= 0 or last.error <= 0 or first.value == last.value:
        return 1.0
    power = math.log(last.error / first.error) / math.log(last.value / first.value)
    return min(max(power, 1 / _STEEPEST), _STEEPEST)
