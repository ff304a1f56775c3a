"""The camera motions by the names that a user types."""

from dataclasses import dataclass

from mtshare_ros.errors import ConfigError

KINDS = ('static', 'pan', 'drive', 'handheld')


@dataclass(frozen=True)
class CameraMotion:
    """
    How a camera moves, and past what.

    ``kind`` is one of KINDS. ``speed`` is the mean over the first frames of a clip: the median
    motion of the image in pixels a frame where that is 320 pixels wide and 30 frames make a
    second, and metres a second for a drive; None is the kind's own, slow one. ``textured`` says
    whether surfaces bear fine texture.
    """

    kind: str
    speed: float | None = None
    textured: bool = False

    @property
    def name(self) -> str:
        """The kind, and what makes it harder."""
        if self.speed is not None:
            return f'{self.kind}-{self.speed:g}'
        return f'{self.kind}-textured' if self.textured else self.kind


PLAIN = {kind: CameraMotion(kind) for kind in KINDS}
"""Slow motions past plain surfaces."""

HARDER = {motion.name: motion for motion in (
    CameraMotion('static', textured=True),
    *(CameraMotion(kind, speed, textured=True) for kind, speeds in (
        ('pan', (2.0, 4.0, 8.0)), ('handheld', (2.0, 4.0, 8.0)), ('drive', (0.5, 1.0)))
      for speed in speeds))}
"""A robot's motions: fast ones, and a camera at rest, all in front of fine texture."""

CAMERA_MOTIONS = PLAIN | HARDER


def camera_motion(name: str) -> CameraMotion:
    """Return the motion of a name; raise ConfigError for an unknown one."""
    if name not in CAMERA_MOTIONS:
        raise ConfigError(f'unknown camera motion {name!r}; allowed: {", ".join(CAMERA_MOTIONS)}')
    return CAMERA_MOTIONS[name]
