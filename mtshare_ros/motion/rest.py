"""Whether a camera stands still."""

STILL = 0.15
"""Pixels a frame below which a camera may stand still."""

MOVING = 0.3
"""Pixels a frame above which one moves for certain."""

PATIENCE = 4
"""Frames in which nothing moves until a camera counts as standing still."""


class RestDetector:
    """Tells a camera that stands still from one that moves; single frames decide nothing."""

    def __init__(self) -> None:
        self._still, self.at_rest = 0, True

    def observe(self, shift: float) -> bool:
        """Take in by how many pixels the image moved; return whether the camera stands still."""
        self._still = self._still + 1 if shift < STILL else 0
        if shift > MOVING:
            self.at_rest = False
        elif self._still >= PATIENCE:
            self.at_rest = True
        return self.at_rest
