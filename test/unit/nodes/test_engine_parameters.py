"""The parameters of sharing and motion become settings of the engine."""

import pytest

from mtshare_ros.inference.map_outputs import METRIC_OUTPUTS, offered_outputs
from mtshare_ros.motion.motion_settings import MotionSettings
from mtshare_ros.nodes import node_environment
from mtshare_ros.nodes.perception.output_publishers import enabled_outputs, settings_to_infer
from mtshare_ros.nodes.perception.parameter_table import (
    PERCEPTION_PARAMETERS,
    runtime_settings,
)
from mtshare_ros.sharing.sharing_settings import SharingSettings
from mtshare_ros.tasks import DEFAULT_TASKS, get_task, TASKS

DEFAULTS = PERCEPTION_PARAMETERS.defaults()
ACTIVITY = [output for output in METRIC_OUTPUTS if output.activity]
MASK = [output for output in METRIC_OUTPUTS if output.topic == 'semantic/mask']


def settings_with(**values):
    named = {name.replace('__', '.'): value for name, value in values.items()}
    return runtime_settings({**DEFAULTS, **named})


def test_the_defaults_are_those_of_the_engine():
    assert settings_with().sharing == SharingSettings()


@pytest.mark.parametrize(('values', 'expected'), [
    ({'temporal__enabled': False}, {'temporal': False}),
    ({'task__enabled': False}, {'task': False}),
    ({'temporal__threshold': 2.5}, {'temporal_threshold': 2.5}),
    ({'task__threshold': 0.0}, {'task_threshold': 0.0}),
    ({'edges__temporal__threshold': 0.0}, {'temporal_thresholds': {'edge': 0.0}}),
    ({'normals__task__threshold': 3.0}, {'task_thresholds': {'normals': 3.0}}),
    ({'temporal__policy': 'keyframe'}, {'policy': 'keyframe'}),
    ({'temporal__refresh_period': 7}, {'refresh_period': 7}),
    ({'temporal__max_age': 31}, {'max_age': 31}),
    ({'temporal__scene_cut_fraction': 0.5}, {'scene_cut_fraction': 0.5}),
    ({'temporal__crossover': 0.4}, {'crossover': 0.4}),
    ({'temporal__crossover': 0.0}, {'crossover': 0.0}),
    ({'latency_target_ms': 20.0}, {'latency_target_ms': 20.0}),
])
def test_every_parameter_reaches_the_engine(values, expected):
    assert settings_with(**values).sharing == SharingSettings(**expected)


@pytest.mark.parametrize('value', [-0.5, -0.001, -2.0, 10.5])
def test_a_factor_of_one_output_is_inherited_or_a_factor(value):
    spec = PERCEPTION_PARAMETERS['depth.temporal.threshold']

    assert 'depth.temporal.threshold' in spec.problem(value)


@pytest.mark.parametrize('value', [-0.5, -2.0, 1.5])
def test_a_crossover_is_inherited_or_a_share(value):
    assert 'temporal.crossover' in PERCEPTION_PARAMETERS['temporal.crossover'].problem(value)


def test_the_base_task_has_no_threshold_for_taking_over():
    assert 'semantic.task.threshold' not in PERCEPTION_PARAMETERS
    assert 'semantic.temporal.threshold' in PERCEPTION_PARAMETERS


@pytest.mark.parametrize('changed', ['temporal.max_age', 'temporal.refresh_period'])
def test_an_age_below_the_refresh_period_is_refused_with_both_values(changed):
    values = {**DEFAULTS, 'temporal.max_age': 20, 'temporal.refresh_period': 50}

    conflict = PERCEPTION_PARAMETERS.conflict(values, [changed])

    assert all(word in conflict for word in ('temporal.max_age', '20', 'refresh_period', '50'))


def test_a_parameter_outside_a_broken_rule_may_be_set():
    values = {**DEFAULTS, 'temporal.max_age': 20}

    assert PERCEPTION_PARAMETERS.conflict(values, ['lazy']) == ''


def test_the_activity_alone_asks_for_every_task_that_is_switched_on():
    settings = settings_with(outputs__edges__enabled=False)

    found = settings_to_infer(ACTIVITY, settings, DEFAULT_TASKS)
    assert found.tasks == ('semseg', 'depth', 'normals') and found.activity


def test_the_activity_beside_other_outputs_asks_for_nothing_more():
    outputs = [output for output in METRIC_OUTPUTS
               if output.activity or output.topic == 'depth/image']

    found = settings_to_infer(outputs, settings_with(), DEFAULT_TASKS)
    assert found.tasks == ('depth',) and found.activity


def test_a_calibration_and_names_of_classes_alone_ask_for_no_task():
    outputs = [output for output in METRIC_OUTPUTS
               if output.message in ('CameraInfo', 'LabelInfo')]

    assert settings_to_infer(outputs, settings_with(), DEFAULT_TASKS).tasks == ()


def test_where_every_output_is_switched_off_there_is_no_activity():
    off = {f'outputs__{get_task(name).ros_name}__enabled': False for name in DEFAULT_TASKS}

    assert enabled_outputs(settings_with(**off), DEFAULT_TASKS) == ()


def test_what_a_model_can_beyond_the_default_tasks_is_neither_offered_nor_computed():
    settings = settings_with()

    assert offered_outputs(TASKS) == offered_outputs(DEFAULT_TASKS)
    assert enabled_outputs(settings, TASKS) == enabled_outputs(settings, DEFAULT_TASKS)
    assert settings_to_infer(ACTIVITY, settings, TASKS).tasks == DEFAULT_TASKS


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
    monkeypatch.setattr(node_environment, 'optional_messages', lambda _: None)

    problem = PERCEPTION_PARAMETERS['motion.source'].problem('tf')

    assert 'tf2_msgs is not installed; apt install ros-' in problem
    assert not PERCEPTION_PARAMETERS['motion.source'].problem('gyroscope')


def test_transforms_are_taken_where_their_messages_are_installed(monkeypatch):
    monkeypatch.setattr(node_environment, 'optional_messages', lambda _: node_environment)

    assert not PERCEPTION_PARAMETERS['motion.source'].problem('tf')
