"""The camera of an image or of maps: a pinhole without distortion."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Pinhole:
    """Focal lengths and principal point of the maps in pixels; pixel centres lie at integers."""

    fx: float
    fy: float
    cx: float
    cy: float

    def scaled(self, factor: float) -> 'Pinhole':
        """Return the camera of maps that are larger by a factor."""
        return Pinhole(self.fx * factor, self.fy * factor,
                       (self.cx + 0.5) * factor - 0.5, (self.cy + 0.5) * factor - 0.5)
