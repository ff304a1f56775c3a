"""Letting through at most so many frames a second."""


class RateLimiter:
    """
    Decides which frames to take so that the mean rate stays under a limit.

    The next frame is due one period after the last was due, not after it came: a 30 Hz camera
    limited to 20 Hz gives two frames of three, not every second one.
    """

    def __init__(self) -> None:
        self._due_s = -float('inf')

    def allows(self, now_s: float, max_rate_hz: float) -> bool:
        """Return whether a frame that comes now is taken; 0.0 Hz takes every frame."""
        if max_rate_hz <= 0:
            return True
        if now_s < self._due_s:
            return False
        period_s = 1 / max_rate_hz
        self._due_s = max(self._due_s, now_s - period_s) + period_s
        return True
