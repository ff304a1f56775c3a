"""Parameters take what is allowed at once, and refuse the rest with the reason."""

import pytest

from mtshare_ros.nodes.perception_parameters import PERCEPTION_PARAMETERS

BAD_VALUES = {
    'max_rate': [-0.5, 240.5, float('nan'), 5],
    'input_timeout': [0.0, 61.0, 'soon'],
    'lazy': [1, 'yes'],
    'semantic__color_alpha': [-0.1, 1.1],
    'depth__color_range': [[1.0], [4.0, 2.0], [-1.0, 2.0], [1, 2]],
    'outputs__depth__enabled': ['false', 0],
    'temporal__enabled': ['no'],
    'temporal__threshold': [-0.1, 10.5, float('nan'), 1],
    'depth__task__threshold': [-0.5, -2.0],
    'temporal__policy': ['sometimes'],
    'temporal__refresh_period': [0, 301, 30.0],
    'latency_target_ms': [-1.0, 1000.5],
}
CASES = [(name, value) for name, values in BAD_VALUES.items() for value in values]


@pytest.mark.parametrize(('name', 'value'), CASES)
def test_a_bad_value_is_refused_with_a_reason_and_the_old_one_stays(running, name, value):
    before = running.observer.get(name)

    result = running.observer.set(**{name: value})

    assert not result.successful and result.reason
    assert running.observer.get(name) == before


@pytest.mark.parametrize('name', [spec.name for spec in PERCEPTION_PARAMETERS if spec.read_only])
def test_a_read_only_parameter_is_refused_while_the_node_runs(running, name):
    value = PERCEPTION_PARAMETERS[name].default

    result = running.observer.set(**{name: value})

    assert not result.successful and 'read-only' in result.reason


@pytest.mark.parametrize(('name', 'value'), [
    ('max_rate', 0.123), ('max_rate', 240.0), ('input_timeout', 60.0),
    ('temporal__threshold', 0.123), ('edges__temporal__threshold', 0.0),
    ('temporal__policy', 'keyframe'), ('temporal__refresh_period', 90),
    ('semantic__color_alpha', 0.0), ('depth__color_range', [0.0, 20.0]), ('lazy', False),
])
def test_a_good_value_is_taken(running, name, value):
    before = running.observer.get(name)

    result = running.observer.set(**{name: value})

    assert result.successful and running.observer.get(name) == value
    running.observer.set(**{name: before})


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

    stage.perception.wait_for_output('ERROR', 'input_size cannot be [100, 100]', 'multiples of 16')
    assert stage.perception.is_running()


def test_two_values_at_the_start_that_do_not_fit_are_named_and_can_be_mended(stage, tiny_model):
    stage.start_perception(tiny_model, wait_for='unconfigured', temporal__refresh_period=100)
    stage.perception.wait_for_output(
        'ERROR', 'temporal.max_age cannot be 90 while temporal.refresh_period is 100')

    assert stage.observer.set(temporal__max_age=100).successful

    assert stage.observer.change_state('configure')
