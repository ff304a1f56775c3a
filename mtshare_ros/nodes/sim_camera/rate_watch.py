"""Noticing that a source cannot keep its rate."""

WINDOW_TICKS = 60
"""Ticks over which the rate is judged."""

_ENOUGH = 0.95


class RateWatch:
    """Compares ticks with frames published, and complains once."""

    def __init__(self, rate_hz: float) -> None:
        self._rate_hz = rate_hz
        self._ticks = 0
        self._published = 0
        self._complained = False

    def note(self, *, published: bool) -> str:
        """Note one tick; return a complaint the first time that too many had no frame."""
        self._ticks += 1
        self._published += published
        if self._ticks < WINDOW_TICKS:
            return ''
        share, self._ticks, self._published = self._published / self._ticks, 0, 0
        if share >= _ENOUGH or self._complained:
            return ''
        self._complained = True
        return f'cannot keep {self._rate_hz:.1f} Hz, {share * self._rate_hz:.1f} Hz are reached'
