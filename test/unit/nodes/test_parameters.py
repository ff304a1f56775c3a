"""Parameters take what is allowed, and say what is wrong with everything else."""

from pathlib import Path

import pytest
from rcl_interfaces.msg import SetParametersResult
import rclpy
from rclpy.context import Context
from rclpy.node import Node
from rclpy.parameter import Parameter
import yaml

from mtshare_ros.data.rooms.motions import CAMERA_MOTIONS
from mtshare_ros.errors import ConfigError
from mtshare_ros.nodes.parameters import ParameterServer, ParameterSpec, ParameterTable
from mtshare_ros.nodes.perception.parameter_table import (
    PERCEPTION_PARAMETERS,
    runtime_settings,
    start_settings,
)
from mtshare_ros.nodes.sim_camera.parameter_table import (
    SIM_CAMERA_PARAMETERS,
    sim_camera_settings,
)
from mtshare_ros.nodes.video_camera.parameter_table import VIDEO_CAMERA_PARAMETERS

ROOT = Path(__file__).resolve().parents[3]
ALL = [*PERCEPTION_PARAMETERS, *SIM_CAMERA_PARAMETERS, *VIDEO_CAMERA_PARAMETERS]
LIMITED = [spec for spec in ALL if spec.limits]
WRONG_TYPE = {'bool': 1, 'integer': 1.0, 'double': 1, 'string': 3,
              'string_array': [1], 'integer_array': [240.0, 320.0], 'double_array': [1, 8]}


def name_of(spec):
    return spec.name


def bound(spec, end):
    """Return a limit in the parameter's own type."""
    return (int if spec.kind == 'integer' else float)(spec.limits[end])


@pytest.mark.parametrize('spec', ALL, ids=name_of)
def test_the_default_is_allowed(spec):
    assert spec.problem(spec.default) == ''


@pytest.mark.parametrize('spec', ALL, ids=name_of)
def test_a_value_of_the_wrong_type_is_refused_with_name_value_and_what_is_allowed(spec):
    problem = spec.problem(WRONG_TYPE[spec.kind])

    assert spec.name in problem and repr(WRONG_TYPE[spec.kind]) in problem
    assert 'wrong type' in problem and spec.allowed() in problem


@pytest.mark.parametrize('spec', LIMITED, ids=name_of)
def test_both_limits_are_allowed(spec):
    assert spec.problem(bound(spec, 0)) == spec.problem(bound(spec, 1)) == ''


@pytest.mark.parametrize('spec', LIMITED, ids=name_of)
def test_values_beyond_either_limit_are_refused(spec):
    step = 1 if spec.kind == 'integer' else 0.001

    assert 'out of range' in spec.problem(bound(spec, 0) - step)
    assert 'out of range' in spec.problem(bound(spec, 1) + step)


@pytest.mark.parametrize('spec', [spec for spec in ALL if spec.kind == 'double'], ids=name_of)
@pytest.mark.parametrize('value', [float('nan'), float('inf')])
def test_numbers_that_are_not_finite_are_refused(spec, value):
    assert 'finite' in spec.problem(value)


@pytest.mark.parametrize('spec', [spec for spec in ALL if spec.choices], ids=name_of)
def test_a_word_outside_the_choices_is_refused_with_the_choices(spec):
    problem = spec.problem('warp')

    assert all(choice in problem for choice in spec.choices)


@pytest.mark.parametrize('value', [[240], [240, 320, 3], [0, 320], [250, 320], [-16, 320],
                                   [240, 4096], [14, 16], []])
def test_an_input_size_that_is_not_whole_patches_of_one_size_is_refused(value):
    assert 'input_size' in PERCEPTION_PARAMETERS['input_size'].problem(value)


def test_without_an_input_size_the_model_chooses_it():
    values = PERCEPTION_PARAMETERS.defaults()

    assert not PERCEPTION_PARAMETERS['input_size'].problem(values['input_size'])
    assert start_settings(values).input_size is None
    assert start_settings({**values, 'input_size': (224, 308)}).input_size == (224, 308)


@pytest.mark.parametrize('value', [[1.0], [3.0, 1.0], [2.0, 2.0], [-1.0, 2.0],
                                   [0.5, float('nan')]])
def test_a_depth_range_that_is_not_near_then_far_is_refused(value):
    assert 'depth.color_range' in PERCEPTION_PARAMETERS['depth.color_range'].problem(value)


@pytest.mark.parametrize('value', ['gpu', 'cuda:', 'CPU', ''])
def test_an_unknown_device_is_refused(value):
    assert 'cuda:<number>' in PERCEPTION_PARAMETERS['device'].problem(value)


@pytest.mark.parametrize('value', ['auto', 'cpu', 'cuda', 'cuda:1'])
def test_every_known_device_is_allowed(value):
    assert PERCEPTION_PARAMETERS['device'].problem(value) == ''


def test_the_first_bad_value_of_several_is_named():
    problem = PERCEPTION_PARAMETERS.problem({'lazy': False, 'max_rate': -1.0})

    assert 'max_rate' in problem and 'lazy' not in problem


def test_requiring_a_bad_value_raises():
    table = ParameterTable([ParameterSpec('gain', 'double', 1.0, 'Gain.', limits=(0.0, 2.0))])

    with pytest.raises(ConfigError, match='gain cannot be 3.0'):
        table.require({'gain': 3.0})


def test_switching_an_output_off_takes_its_task_out_of_the_settings():
    values = {**PERCEPTION_PARAMETERS.defaults(), 'outputs.edges.enabled': False}

    assert runtime_settings(values).enabled == {'semseg', 'depth', 'normals'}


def test_every_parameter_reaches_the_settings_it_belongs_to():
    values = PERCEPTION_PARAMETERS.defaults()

    assert start_settings(values).model == values['model']
    assert sim_camera_settings(SIM_CAMERA_PARAMETERS.defaults()).rate == 30.0


def test_the_motions_are_those_that_the_rooms_know():
    assert SIM_CAMERA_PARAMETERS['motion'].choices == tuple(CAMERA_MOTIONS)


def test_the_shipped_parameter_file_holds_every_parameter_with_its_default():
    shipped = yaml.safe_load((ROOT / 'config' / 'perception.yaml').read_text())

    assert shipped['/**']['ros__parameters'] == PERCEPTION_PARAMETERS.defaults()


def test_every_parameter_of_the_shipped_file_is_explained_above_it():
    lines = (ROOT / 'config' / 'perception.yaml').read_text().splitlines()
    first = next(i for i, line in enumerate(lines) if 'ros__parameters' in line) + 1

    blocks = '\n'.join(lines[first:]).split('\n\n')

    assert all(block.strip().startswith('#') for block in blocks)
    assert all(spec.limits is None or all(f'{limit}' in '\n'.join(lines) for limit in spec.limits)
               for spec in PERCEPTION_PARAMETERS if spec.name != 'semantic.color_alpha')


@pytest.fixture
def node():
    context = Context()
    rclpy.init(context=context, domain_id=101)
    made = Node('parameters', context=context)
    yield made
    made.destroy_node()
    rclpy.shutdown(context=context)


@pytest.fixture
def parameters(node):
    return ParameterServer(node, PERCEPTION_PARAMETERS, runtime_settings)


def test_settings_are_built_once_until_a_parameter_changes(node, parameters):
    before = parameters.settings
    again = parameters.settings

    node.set_parameters([Parameter('max_rate', value=7.0), Parameter('lazy', value=False)])

    assert again is before
    assert (parameters.settings.max_rate, parameters.settings.lazy) == (7.0, False)


def test_settings_set_in_one_request_hold_together(node, parameters):
    node.set_parameters_atomically([
        Parameter('temporal.max_age', value=200), Parameter('temporal.refresh_period', value=100)])

    sharing = parameters.settings.sharing
    assert (sharing.max_age, sharing.refresh_period) == (200, 100)


def test_a_value_that_somebody_else_refuses_does_not_hold(node, parameters):
    node.add_on_set_parameters_callback(
        lambda changed: SetParametersResult(successful=False, reason='not now'))

    result = node.set_parameters([Parameter('max_rate', value=7.0)])[0]

    assert not result.successful and parameters.settings.max_rate == 0.0
