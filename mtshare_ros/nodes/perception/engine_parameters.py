"""The parameters that become settings of the engine: sharing, and the motion of the camera."""

from dataclasses import dataclass
from typing import Any, Mapping

from mtshare_ros.motion.motion_settings import MotionSettings
from mtshare_ros.nodes.node_environment import absence_of
from mtshare_ros.nodes.parameters import ParameterRule, ParameterSpec
from mtshare_ros.sharing.sharing_settings import LARGEST_FACTOR, SharingSettings
from mtshare_ros.tasks import DEFAULT_TASKS, get_task

INHERIT = -1.0
"""The value that takes the threshold of all tasks, or the crossover of the model."""

_TASKS = tuple(get_task(name) for name in DEFAULT_TASKS)
"""The tasks the node publishes."""

_BASE_TASK = _TASKS[0].name
"""The task whose updates the others reuse; it reuses none itself."""


def _check_override(value: float) -> str:
    # The range of the parameter begins at INHERIT and cannot leave out what lies below 0.
    if value == INHERIT or value >= 0:
        return ''
    return f'it must be {INHERIT} (inherit), or 0.0 or more'


def _check_crossover(value: float) -> str:
    if value == INHERIT or value >= 0:
        return ''
    return f'it must be {INHERIT} (the value of the model), or 0.0 to 1.0'


def _override(name: str, text: str) -> ParameterSpec:
    return ParameterSpec(
        name, 'double', INHERIT, f'{text}; {INHERIT} inherits it.',
        limits=(INHERIT, LARGEST_FACTOR), check=_check_override,
    )


def _check_ages(values: Mapping[str, Any]) -> str:
    period, oldest = values['temporal.refresh_period'], values['temporal.max_age']
    if oldest >= period:
        return ''
    return (
        f'parameter temporal.max_age cannot be {oldest} while temporal.refresh_period is '
        f'{period}: it must be at least as long; set the two in an order that keeps it so, or '
        f'both in one atomic request'
    )


SHARING_PARAMETERS = (
    ParameterSpec(
        'temporal.enabled', 'bool', True,
        'Compute only the tokens (patches of 16x16 or 14x14 pixels) that changed; false computes '
        'every frame whole.',
    ),
    ParameterSpec(
        'task.enabled', 'bool', True, 'Let the other tasks reuse updates of the first one above '
        'the shared blocks; those blocks are exact and always computed once for all tasks.',
    ),
    ParameterSpec(
        'temporal.threshold', 'double', 1.0, 'Factor on the calibrated thresholds of change: more '
        'computes less, 0.0 is exact.', limits=(0.0, LARGEST_FACTOR),
    ),
    ParameterSpec(
        'task.threshold', 'double', 1.0, 'Factor on the calibrated thresholds of reuse above '
        'the shared blocks: more computes less, 0.0 reuses nothing.',
        limits=(0.0, LARGEST_FACTOR),
    ),
    *(
        _override(f'{task.ros_name}.temporal.threshold',
                  f'temporal.threshold for {task.ros_name} alone; in blocks that tasks share, '
                  'the lowest one counts')
        for task in _TASKS
    ),
    *(
        _override(f'{task.ros_name}.task.threshold', f'task.threshold for {task.ros_name} alone')
        for task in _TASKS if task.name != _BASE_TASK
    ),
    ParameterSpec(
        'temporal.policy', 'string', 'round_robin', 'How tokens are refreshed: some in every '
        'frame, or all in every refresh_period-th one.', choices=('round_robin', 'keyframe'),
    ),
    ParameterSpec(
        'temporal.refresh_period', 'integer', 30,
        'Frames within which every token is computed again, changed or not.', 'frames', (1, 300),
    ),
    ParameterSpec(
        'temporal.max_age', 'integer', 90, 'Frames after which a token is computed again even '
        'where that misses latency_target_ms; at least temporal.refresh_period.', 'frames',
        (1, 3000),
    ),
    ParameterSpec(
        'temporal.scene_cut_fraction', 'double', 0.9, 'Share of changed tokens above which a '
        'frame counts as another scene and is computed whole.', limits=(0.0, 1.0),
    ),
    ParameterSpec(
        'temporal.crossover', 'double', INHERIT, 'Share of tokens to compute above which a frame '
        f'is computed whole, because that is faster; {INHERIT} takes the value of the model or, '
        'where it has none, 0.9 on a CPU and a measurement at the start on a GPU.',
        limits=(INHERIT, 1.0), check=_check_crossover,
    ),
    ParameterSpec(
        'latency_target_ms', 'double', 0.0, 'Inference time that 95 % of the frames should not '
        'exceed: fewer tokens are computed; 0.0 is off.', 'ms', (0.0, 1000.0),
    ),
)
"""The parameters of sharing, all of them set at any time."""

SHARING_RULES = (
    ParameterRule(('temporal.refresh_period', 'temporal.max_age'), _check_ages),
)
"""What must hold between them."""


def sharing_settings(values: Mapping[str, Any]) -> SharingSettings:
    """Return the engine's settings from checked parameter values."""
    return SharingSettings(
        temporal=values['temporal.enabled'],
        task=values['task.enabled'],
        temporal_threshold=values['temporal.threshold'],
        task_threshold=values['task.threshold'],
        temporal_thresholds=_overrides(values, 'temporal.threshold'),
        task_thresholds=_overrides(values, 'task.threshold'),
        policy=values['temporal.policy'],
        refresh_period=values['temporal.refresh_period'],
        max_age=values['temporal.max_age'],
        scene_cut_fraction=values['temporal.scene_cut_fraction'],
        latency_target_ms=values['latency_target_ms'],
        crossover=crossover_of(values),
    )


def crossover_of(values: Mapping[str, Any]) -> float | None:
    """Return the share above which a frame is computed whole, None for the engine's own value."""
    value = values['temporal.crossover']
    return None if value == INHERIT else value


def _overrides(values: Mapping[str, Any], name: str) -> dict[str, float]:
    """Return the thresholds of single tasks by task id, without those that are inherited."""
    found = {task.name: values.get(f'{task.ros_name}.{name}', INHERIT) for task in _TASKS}
    return {task: threshold for task, threshold in found.items() if threshold != INHERIT}


NONE, IMAGES, TF, GYROSCOPE = SOURCES = ('none', 'images', 'tf', 'gyroscope')
"""The values of ``motion.source``; not 'off', which YAML on a command line reads as false."""

_USES = ('motion.fusion', 'motion.sharing', 'motion.every_frame')


@dataclass(frozen=True)
class MotionChoice:
    """
    The parameters of motion, as one frame sees them.

    ``source`` is one of SOURCES, ``frame`` the fixed frame of TF. With ``every_frame`` the newest
    maps of the network are carried to each image of the camera.
    """

    source: str
    frame: str
    fusion: bool
    sharing: bool
    every_frame: bool

    @property
    def posed(self) -> bool:
        """Whether a sensor tells the motion; the alignment of images begins with that."""
        return self.source in (TF, GYROSCOPE)

    @property
    def carries(self) -> bool:
        """Whether maps are carried to images that the network does not compute."""
        return self.every_frame and self.source != NONE

    @property
    def settings(self) -> MotionSettings:
        """The settings of the engine, which aligns images whatever the source is."""
        return MotionSettings(
            source='off' if self.source == NONE else 'images', fusion=self.fusion,
            sharing=self.sharing)


def _check_source(value: str) -> str:
    return absence_of('tf2_msgs') if value == TF else ''


def _check_frame(value: str) -> str:
    return '' if value.strip('/ ') else 'it names no frame'


def _check_uses(values: Mapping[str, Any]) -> str:
    source = values['motion.source']
    if source != NONE and not any(values[name] for name in _USES):
        return (f'parameter motion.source cannot be {source!r} while {", ".join(_USES)} are all '
                f'false, because motion would have no use: switch one of them on before, or both '
                f'in one atomic request')
    if source == NONE and values['motion.every_frame']:
        return ('parameter motion.every_frame cannot be true while motion.source is none: maps '
                'are carried along with the motion of the camera; set motion.source to images, tf '
                'or gyroscope before, or both in one atomic request')
    return ''


MOTION_PARAMETERS = (
    ParameterSpec(
        'motion.source', 'string', NONE, 'How the motion of the camera is known: images (each is '
        'aligned with the one before), tf or gyroscope (the alignment begins with the motion from '
        '/tf or imu), or none: the camera is assumed not to move.',
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
        'the carried maps do not predict; without a motion.source, or where '
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
