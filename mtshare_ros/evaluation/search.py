"""Find the largest number that still keeps an error within its limit."""

from dataclasses import dataclass
import math
from typing import Callable, Sequence

CLOSE_ENOUGH = 0.96
"""A search ends at this share of the limit: clips vary more from each other."""

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
    error_at: Callable[[float], float], limit: float, *, first: float, low: float, high: float,
    steps: int,
) -> Found:
    """
    Look for the number from ``low`` to ``high`` in at most ``steps`` measurements.

    The error is taken to grow with the number, about as a power of it. Where none was within the
    limit, the smallest one that was tried comes back. Where even ``high`` is within it, the error
    may have ceased to grow long before: the smallest number with the same error comes back, found
    by halving, for a threshold that nothing reaches protects from nothing.
    """
    tried: list[Found] = []
    value = first
    while len(tried) < steps:
        error = error_at(value)
        found = Found(value, error, error <= limit)
        tried.append(found)
        if found.within and value >= high:
            return _lowered(found, error_at, low, steps - len(tried))
        if found.within and error >= CLOSE_ENOUGH * limit:
            return found
        if not found.within and value <= low:
            return found
        value = _next(tried, limit, low, high)
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


def _next(tried: Sequence[Found], limit: float, low: float, high: float) -> float:
    """Return where a power law through the measurements nearest to the limit meets it."""
    above = [found for found in tried if not found.within]
    ceiling = min(above, key=lambda found: found.value, default=None)
    below = [found for found in tried
             if found.within and (ceiling is None or found.value < ceiling.value)]
    floor = max(below, key=lambda found: found.value, default=None)
    if ceiling is None or floor is None:
        return _extrapolated(tried, limit, low, high)
    if floor.error <= 0:
        return math.sqrt(floor.value * ceiling.value)
    share = math.log(_AIM * limit / floor.error) / math.log(ceiling.error / floor.error)
    share = min(max(share, _MARGIN), 1 - _MARGIN)
    return floor.value * (ceiling.value / floor.value) ** share


def _extrapolated(tried: Sequence[Found], limit: float, low: float, high: float) -> float:
    """Go on from the last measurement, as the last two say; the error of one is proportional."""
    last = tried[-1]
    if last.error <= 0:
        return min(last.value * _LARGEST_STEP, high)
    ratio = (_AIM * limit / last.error) ** (1 / _power(tried[-2:]))
    ratio = min(max(ratio, 1 / _LARGEST_STEP), _LARGEST_STEP)
    return min(max(last.value * ratio, low), high)


def _power(pair: Sequence[Found]) -> float:
    """Return the exponent with which the error grows from the first to the last."""
    first, last = pair[0], pair[-1]
    if first.error <= 0 or last.error <= 0 or first.value == last.value:
        return 1.0
    power = math.log(last.error / first.error) / math.log(last.value / first.value)
    return min(max(power, 1 / _STEEPEST), _STEEPEST)
