"""The parameters of motion say what is asked for, and refuse what nothing would come of."""

import pytest

from mtshare_ros.inference.map_outputs import METRIC_OUTPUTS
from mtshare_ros.motion.settings import MotionSettings
from mtshare_ros.nodes.perception import (
    engine_parameters as motion_parameters,
    motion_input as transform_input,
)
from mtshare_ros.nodes.perception.output_publishers import settings_to_infer
from mtshare_ros.nodes.perception.parameter_table import (
    PERCEPTION_PARAMETERS,
    runtime_settings,
)
from mtshare_ros.tasks import DEFAULT_TASKS

DEFAULTS = PERCEPTION_PARAMETERS.defaults()
MASK = [output for output in METRIC_OUTPUTS if output.topic == 'semantic/mask']


def settings_with(**values):
    named = {name.replace('__', '.'): value for name, value in values.items()}
    return runtime_settings({**DEFAULTS, **named})


def conflict_of(**values):
    named = {name.replace('__', '.'): value for name, value in values.items()}
    return PERCEPTION_PARAMETERS.conflict({**DEFAULTS, **named}, named)


def test_by_default_no_motion_is_followed():
    chosen = settings_with().motion

    assert not chosen.settings.active and not chosen.carries and not chosen.posed


@pytest.mark.parametrize('source', ['images', 'tf', 'gyroscope'])
def test_every_source_asks_the_engine_to_look_at_the_images(source):
    chosen = settings_with(motion__source=source, motion__sharing=False).motion

    assert chosen.settings == MotionSettings(source='images', fusion=True)
    assert chosen.posed == (source != 'images')


def test_where_every_frame_is_computed_whole_nothing_is_shared_in_motion_either():
    chosen = settings_with(motion__source='images', temporal__enabled=False).motion

    assert chosen.settings == MotionSettings(source='images', fusion=True, sharing=False)


def test_with_a_motion_the_depth_is_computed_along_which_maps_are_carried():
    still = settings_to_infer(MASK, settings_with(), DEFAULT_TASKS)
    moving = settings_to_infer(MASK, settings_with(motion__source='images'), DEFAULT_TASKS)

    assert (still.tasks, moving.tasks) == (('semseg',), ('semseg', 'depth'))
    assert not still.motion.active and moving.motion.active


def test_with_a_motion_and_no_listener_nothing_is_computed():
    assert not settings_to_infer([], settings_with(motion__source='images'), DEFAULT_TASKS).tasks


def test_a_source_that_nothing_uses_is_refused():
    problem = conflict_of(motion__source='images', motion__fusion=False, motion__sharing=False)

    assert "motion.source cannot be 'images' while" in problem and 'switch one' in problem


def test_maps_at_the_rate_of_the_camera_without_a_source_are_refused():
    assert 'motion.every_frame cannot be true while motion.source is none' in conflict_of(
        motion__every_frame=True)
    assert not conflict_of(motion__every_frame=True, motion__source='images')


def test_a_frame_without_a_name_is_refused():
    assert 'it names no frame' in PERCEPTION_PARAMETERS['motion.frame'].problem(' / ')


def test_transforms_are_refused_where_their_messages_are_not_installed(monkeypatch):
    monkeypatch.setattr(transform_input, '_messages', lambda: None)

    problem = PERCEPTION_PARAMETERS['motion.source'].problem('tf')

    assert 'tf2_msgs is not installed; apt install ros-' in problem
    assert not PERCEPTION_PARAMETERS['motion.source'].problem('gyroscope')


def test_transforms_are_taken_where_their_messages_are_installed(monkeypatch):
    monkeypatch.setattr(transform_input, '_messages', lambda: motion_parameters)

    assert not PERCEPTION_PARAMETERS['motion.source'].problem('tf')
