"""Parameters take what is allowed at once, and refuse the rest with the reason."""

from parameter_values import bad_values, good_values
import pytest
from ros_messages import camera_image

from mtshare_ros.nodes.perception_parameters import PERCEPTION_PARAMETERS

RUNTIME = [spec for spec in PERCEPTION_PARAMETERS if not spec.read_only]
BAD_CASES = [(spec.name, value) for spec in RUNTIME for value in bad_values(spec)]


@pytest.mark.fault(19)
@pytest.mark.parametrize(('name', 'value'), BAD_CASES)
def test_a_bad_value_is_refused_with_a_reason_and_the_old_one_stays(running, name, value):
    before = running.observer.get(name)

    result = running.observer.set(**{name: value})

    assert not result.successful and result.reason
    assert running.observer.get(name) == before


@pytest.mark.fault(19)
@pytest.mark.parametrize('name', [spec.name for spec in PERCEPTION_PARAMETERS if spec.read_only])
def test_a_read_only_parameter_is_refused_while_the_node_runs(running, name):
    value = PERCEPTION_PARAMETERS[name].default

    result = running.observer.set(**{name: value})

    assert not result.successful and 'read-only' in result.reason


@pytest.fixture
def watched(guest):
    """Lend a guest that listens to a map, and a camera."""
    guest.listen('edges/image')
    guest.watch_diagnostics()
    return guest, guest.camera()


@pytest.mark.fault(19)
@pytest.mark.parametrize('spec', RUNTIME, ids=lambda spec: spec.name)
def test_every_good_value_is_taken_and_holds_for_the_next_frame(watched, spec):
    guest, camera = watched
    before = guest.get(spec.name)
    for value in good_values(spec):
        result = guest.set(**{spec.name: value})

        assert result.successful and guest.get(spec.name) == value
        if value != before and computes(spec.name, value):
            guest.send_until(
                camera, camera_image(), period_s=0.02, what=f'a frame with {spec.name} {value}',
                condition=lambda: f'{spec.name}=' in guest.newest_figure('changed_parameters', ''))
    assert guest.set(**{spec.name: before}).successful


def computes(name, value):
    """Return whether frames are computed in a while with a value that is not the default."""
    return not (name == 'outputs.edges.enabled' or name == 'max_rate' and value == 0.0)


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

    stage.perception.wait_for_output('ERROR', 'input_size cannot be [100, 100]', 'multiples of 16')
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
