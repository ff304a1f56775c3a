"""The parameters of a camera that moves: how its motion is known, and what the maps gain by it."""

from dataclasses import dataclass
from typing import Any, Mapping

from mtshare_ros.motion.settings import MotionSettings
from mtshare_ros.nodes.parameters import ParameterRule, ParameterSpec
from mtshare_ros.nodes.perception.transform_input import find_absence

NONE, IMAGES, TF, GYROSCOPE = SOURCES = ('none', 'images', 'tf', 'gyroscope')
"""The values of ``motion.source``; off would be read as a truth value on a command line."""

_USES = ('motion.fusion', 'motion.sharing', 'motion.every_frame')


@dataclass(frozen=True)
class MotionChoice:
    """
    The parameters of motion, as one frame sees them.

    ``source`` is one of SOURCES, ``frame`` the fixed frame of TF. ``every_frame``: maps come at
    the rate of the camera, carried along from the newest ones of the network.
    """

    source: str
    frame: str
    fusion: bool
    sharing: bool
    every_frame: bool

    @property
    def posed(self) -> bool:
        """Whether a sensor beside the camera tells the alignment of images where to begin."""
        return self.source in (TF, GYROSCOPE)

    @property
    def carries(self) -> bool:
        """Whether maps are carried to images that the network does not compute."""
        return self.every_frame and self.source != NONE

    @property
    def settings(self) -> MotionSettings:
        """What the engine is asked for: every source begins or ends with the images."""
        return MotionSettings(
            source='off' if self.source == NONE else 'images', fusion=self.fusion,
            sharing=self.sharing)


def _check_source(value: str) -> str:
    return find_absence() if value == TF else ''


def _check_frame(value: str) -> str:
    return '' if value.strip('/ ') else 'it names no frame'


def _check_uses(values: Mapping[str, Any]) -> str:
    source = values['motion.source']
    if source != NONE and not any(values[name] for name in _USES):
        return (f'parameter motion.source cannot be {source!r} while {", ".join(_USES)} are all '
                f'false, for nothing would come of it: switch one of them on before, or both in '
                f'one atomic request')
    if source == NONE and values['motion.every_frame']:
        return ('parameter motion.every_frame cannot be true while motion.source is none: maps '
                'are carried along with the motion of the camera; set motion.source to images, tf '
                'or gyroscope before, or both in one atomic request')
    return ''


MOTION_PARAMETERS = (
    ParameterSpec(
        'motion.source', 'string', NONE, 'How the motion of the camera is known: images (each is '
        'aligned with the one before), tf or gyroscope (the alignment begins with the motion that '
        '/tf or imu tells), or none: the camera is taken to stand still.',
        choices=SOURCES, check=_check_source,
    ),
    ParameterSpec(
        'motion.frame', 'string', 'odom', 'With tf, the fixed frame that the camera moves in.',
        check=_check_frame,
    ),
    ParameterSpec(
        'motion.fusion', 'bool', True, 'Average the maps over time where the same surface is '
        'seen; without a motion.source nothing is averaged.',
    ),
    ParameterSpec(
        'motion.sharing', 'bool', True, 'While the camera moves, compute only the tokens that '
        'the maps carried along do not explain; without a motion.source, or where '
        'temporal.enabled is false, this changes nothing.',
    ),
    ParameterSpec(
        'motion.every_frame', 'bool', False, 'Publish maps for every image of the camera: the '
        'newest ones of the network are carried to the newest image, with its stamp; needs a '
        'motion.source.',
    ),
)
"""The parameters of motion, all of them set at any time."""

MOTION_RULES = (ParameterRule(('motion.source', *_USES), _check_uses),)
"""What must hold between them."""


def motion_choice(values: Mapping[str, Any]) -> MotionChoice:
    """Return what is chosen by checked parameter values."""
    return MotionChoice(
        source=values['motion.source'],
        frame=values['motion.frame'],
        fusion=values['motion.fusion'],
        sharing=values['motion.sharing'] and values['temporal.enabled'],
        every_frame=values['motion.every_frame'],
    )
