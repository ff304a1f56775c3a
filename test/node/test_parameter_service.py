"""Parameters take what is allowed at once, and refuse the rest with the reason."""

import math

from parameter_values import good_values
import pytest
from ros_messages import camera_image

from mtshare_ros.nodes.perception.parameter_table import PERCEPTION_PARAMETERS

RUNTIME = [spec for spec in PERCEPTION_PARAMETERS if not spec.read_only]
BAD = [
    ('lazy', 1), ('max_rate', 5), ('temporal.max_age', 90.5), ('temporal.policy', 3),
    ('depth.color_range', [1, 8]),
    ('temporal.threshold', 10.001), ('temporal.threshold', -0.001),
    ('temporal.max_age', 3001), ('temporal.max_age', 0),
    ('latency_target_ms', math.nan), ('latency_target_ms', math.inf),
    ('temporal.policy', 'something else'),
    ('depth.color_range', [4.0, 2.0]), ('depth.color_range', [0.5, math.nan]),
    ('temporal.refresh_period', 91), ('temporal.max_age', 29),
]
"""Wrong types, numbers beyond limits, no numbers, an unknown word, and rules between values."""


@pytest.mark.fault(19)
def test_bad_values_of_every_kind_are_refused_with_a_reason_and_the_old_ones_stay(running):
    for name, value in BAD:
        before = running.observer.get(name)

        result = running.observer.set(**{name: value})

        assert not result.successful and result.reason, (name, value)
        assert running.observer.get(name) == before, (name, value)


@pytest.mark.fault(19)
def test_a_read_only_parameter_is_refused_while_the_node_runs(running):
    for spec in PERCEPTION_PARAMETERS:
        if spec.read_only:
            result = running.observer.set(**{spec.name: spec.default})

            assert not result.successful and 'read-only' in result.reason, spec.name


@pytest.mark.fault(19)
def test_every_good_value_is_taken(running):
    for spec in RUNTIME:
        before = running.observer.get(spec.name)
        for value in [*good_values(spec), before]:
            result = running.observer.set(**{spec.name: value})

            assert result.successful and running.observer.get(spec.name) == value, spec.name


@pytest.mark.fault(19)
@pytest.mark.parametrize('end', [0, -1], ids=['smallest', 'largest'])
def test_good_values_hold_for_the_next_frame(guest, end):
    guest.listen('edges/image')
    camera = guest.camera()
    values = {spec.name: good_values(spec)[end] for spec in RUNTIME}
    values['outputs.edges.enabled'] = True
    changed = [f'{spec.name}=' for spec in RUNTIME if values[spec.name] != spec.default]

    assert guest.set_together(**values).successful

    guest.send_until(
        camera, camera_image(), what='a frame with all values', condition=lambda: all(
            name in guest.newest_figure('changed_parameters', '') for name in changed))
    assert guest.set_together(**{spec.name: spec.default for spec in RUNTIME}).successful


@pytest.mark.parametrize('value', [0.123, 3.3])
def test_a_double_takes_any_number_in_its_range(running, value):
    result = running.observer.set(temporal__threshold=value)

    assert result.successful and running.observer.get('temporal.threshold') == value
    running.observer.set(temporal__threshold=1.0)


@pytest.mark.fault(20)
def test_of_two_values_set_together_with_one_bad_neither_is_taken(running):
    result = running.observer.set_together(max_rate=9.0, depth__color_range=[5.0, 1.0])

    assert not result.successful and 'depth.color_range' in result.reason
    assert running.observer.get('max_rate') == 0.0


def test_a_bad_value_at_the_start_keeps_the_node_from_running_until_it_is_mended(
    stage, tiny_model
):
    stage.start_perception(tiny_model, wait_for='unconfigured', max_rate=5)
    stage.perception.wait_for_output('ERROR', 'max_rate cannot be 5', 'wrong type')

    assert stage.observer.set(max_rate=5.0).successful

    assert stage.observer.change_state('configure')
    assert stage.perception.count_lines('ERROR') == 1


def test_a_bad_read_only_value_at_the_start_is_named(stage, tiny_model):
    stage.start_perception(tiny_model, wait_for='unconfigured', input_size=[100, 100])

    stage.perception.wait_for_output('ERROR', 'input_size cannot be [100, 100]', '14 or 16')
    assert stage.perception.is_running()


def test_two_values_at_the_start_that_do_not_fit_are_named_and_can_be_mended(stage, tiny_model):
    stage.start_perception(tiny_model, wait_for='unconfigured', temporal__refresh_period=100)
    stage.perception.wait_for_output(
        'ERROR', 'temporal.max_age cannot be 90 while temporal.refresh_period is 100')

    assert stage.observer.set(temporal__max_age=100).successful

    assert stage.observer.change_state('configure')


@pytest.mark.parametrize('values', [
    {'temporal__refresh_period': 100},
    {'latency_target_ms': -5.0},
    {'temporal__threshold': 'high'},
], ids=str)
def test_bad_values_at_the_start_do_not_silence_the_diagnostics(stage, tiny_model, values):
    stage.observer.watch_diagnostics()
    stage.start_perception(tiny_model, wait_for='unconfigured', **values)

    stage.observer.diagnose('state', 'unconfigured')
    assert stage.perception.is_running()
    assert 'Traceback' not in stage.perception.output
