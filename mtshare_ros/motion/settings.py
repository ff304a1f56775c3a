"""What the user decides about a camera that moves."""

from dataclasses import dataclass

from mtshare_ros.config import require

SOURCES = ('off', 'images', 'pose')
"""
Where a camera's motion is known from.

``images``: each image is aligned with what the maps say it should look like, from the motion
before or from a given one, which stands in its place where images do not tell. ``pose``: the pose
that comes with each frame is taken as it is.
"""


@dataclass(frozen=True)
class MotionSettings:
    """
    What becomes of maps when the camera moves.

    ``source`` is one of SOURCES; off does nothing of what follows. ``fusion``: maps are averaged
    over time where the same surface is seen. ``sharing``: what is computed is chosen by what the
    maps carried along do not explain, and what the network remembers is carried along too.
    """

    source: str = 'off'
    fusion: bool = False
    sharing: bool = False

    def __post_init__(self) -> None:
        """Raise ConfigError for values that make no sense."""
        require(self.source in SOURCES, 'source', self.source, f'one of {", ".join(SOURCES)}')

    @property
    def active(self) -> bool:
        """Whether a camera's motion is followed at all."""
        return self.source != 'off' and (self.fusion or self.sharing)
