"""Where the camera of a bag was when an image was taken."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Pose:
    """
    Where a camera was: its optical frame in the frame ``parent``.

    ``position`` (x, y, z) is in metres, ``quaternion`` is (x, y, z, w).
    """

    parent: str
    position: tuple[float, float, float]
    quaternion: tuple[float, float, float, float]

    def values(self) -> dict[str, Any]:
        """Return the pose as JSON can hold it."""
        return {'parent': self.parent, 'position': list(self.position),
                'quaternion': list(self.quaternion)}
