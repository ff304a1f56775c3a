"""What the user decides about a camera that moves."""

from dataclasses import dataclass

from mtshare_ros.config import require

SOURCES = ('off', 'images', 'pose')
"""
Where the camera's motion comes from.

``images``: each image is aligned with what the carried maps say it should look like; the search
starts from the last motion or from a given one, which is also used where images do not tell.
``pose``: the pose that comes with each frame is used as it is.
"""


@dataclass(frozen=True)
class MotionSettings:
    """
    What is done with the maps when the camera moves.

    ``source`` is one of SOURCES; with off, the other switches do nothing. ``fusion``: maps are
    averaged over time where the same surface is seen. ``sharing``: only the patches that the
    carried maps do not explain are computed, and the network's cache moves with the view.
    """

    source: str = 'off'
    fusion: bool = False
    sharing: bool = False

    def __post_init__(self) -> None:
        """Raise ConfigError for an unknown source."""
        require(self.source in SOURCES, 'source', self.source, f'one of {", ".join(SOURCES)}')

    @property
    def active(self) -> bool:
        """Whether a camera's motion is followed at all."""
        return self.source != 'off' and (self.fusion or self.sharing)
