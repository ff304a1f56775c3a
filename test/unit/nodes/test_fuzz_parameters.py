"""Whatever a parameter is set to: it is refused with a sentence, or the settings can be made."""

from fuzz_messages import ALWAYS_THE_SAME, PARAMETER_VALUES
from hypothesis import given, strategies
from rclpy.parameter import Parameter

from mtshare_ros.nodes.perception.parameter_table import (
    PERCEPTION_PARAMETERS,
    runtime_settings,
    start_settings,
)
from mtshare_ros.nodes.sim_camera.parameter_table import SIM_CAMERA_PARAMETERS
from mtshare_ros.nodes.video_camera.parameter_table import VIDEO_CAMERA_PARAMETERS

NAMES = strategies.sampled_from([spec.name for spec in PERCEPTION_PARAMETERS])


@ALWAYS_THE_SAME
@given(PARAMETER_VALUES)
def test_a_value_of_any_type(value):
    for spec in (*PERCEPTION_PARAMETERS, *SIM_CAMERA_PARAMETERS, *VIDEO_CAMERA_PARAMETERS):
        problem = spec.problem(value)

        assert isinstance(problem, str)
        assert not problem or spec.name in problem


@ALWAYS_THE_SAME
@given(strategies.dictionaries(NAMES, PARAMETER_VALUES, max_size=5))
def test_values_that_are_allowed_make_settings(changed):
    values = {**PERCEPTION_PARAMETERS.defaults(), **changed}

    if not PERCEPTION_PARAMETERS.problem(changed) and (
            not PERCEPTION_PARAMETERS.conflict(values, changed)):
        runtime_settings(values)
        start_settings(values)


@ALWAYS_THE_SAME
@given(strategies.data())
def test_values_of_the_right_type_are_judged_by_their_range_alone(data):
    """Most values above have the wrong type; these come as far as the limits and the checks."""
    spec = data.draw(strategies.sampled_from(list(PERCEPTION_PARAMETERS)))
    kinds = {'bool': strategies.booleans(), 'integer': strategies.integers(-2**63, 2**63 - 1),
             'double': strategies.floats(), 'string': strategies.text()}
    base, _, many = spec.kind.partition('_')
    value = data.draw(strategies.lists(kinds[base], max_size=4) if many else kinds[base])

    assert 'wrong type' not in spec.problem(value) or value == []


@ALWAYS_THE_SAME
@given(value=PARAMETER_VALUES)
def test_what_rclpy_makes_of_a_value_is_judged_alike(value):
    try:
        received = Parameter('x', value=value).value
    except (TypeError, ValueError):
        return  # no client can send it
    for spec in PERCEPTION_PARAMETERS:
        assert bool(spec.problem(received)) == bool(spec.problem(value))
