"""The node configures, activates, recovers and ends as its lifecycle promises."""

import shutil
import signal
import time

import psutil
import pytest
from ros_messages import camera_image, stamp_key


@pytest.mark.fault(1)
def test_a_missing_model_fails_to_configure_and_works_when_the_file_is_there(
    stage, tiny_model, tmp_path
):
    path = tmp_path / 'late.safetensors'
    stage.start_perception(path, wait_for='unconfigured')
    stage.perception.wait_for_output('ERROR', str(path))

    shutil.copy(tiny_model, path)

    assert stage.observer.change_state('configure')
    assert stage.observer.state() == 'inactive'
    assert stage.perception.count_lines('ERROR') == 1


def test_maps_have_the_size_that_the_model_was_trained_at_unless_another_is_asked_for(
    stage, tiny_model
):
    stage.start_perception(tiny_model, input_size=[0, 0])

    stage.perception.wait_for_output('outputs of 96x128 pixels (height x width)')


@pytest.mark.fault(2)
def test_a_truncated_model_fails_to_configure_with_its_path(stage, tiny_model, tmp_path):
    path = tmp_path / 'short.safetensors'
    path.write_bytes(tiny_model.read_bytes()[:5000])

    stage.start_perception(path, wait_for='unconfigured')

    stage.perception.wait_for_output('ERROR', str(path), 'damaged')
    assert stage.perception.count_lines('Traceback') == 0
    assert stage.observer.diagnose('state', 'unconfigured')['message'].startswith('ERROR')


def test_without_autostart_the_node_waits_and_publishes_once_it_is_told(stage, tiny_model):
    stage.start_perception(tiny_model, wait_for='unconfigured', autostart=False)
    observer = stage.observer
    assert not observer.node.count_publishers('depth/image')

    assert observer.change_state('configure') and observer.change_state('activate')

    observer.listen('depth/image')
    observer.send_until(
        observer.camera(), camera_image(), lambda: observer.received['depth/image'], 'depth')


@pytest.mark.fault(8)
def test_wrong_transitions_are_refused_and_leave_the_state(running):
    for verb in ('configure', 'cleanup', 'activate'):
        assert not running.observer.change_state(verb)

    assert running.observer.state() == 'active'


@pytest.mark.fault(7)
def test_after_deactivating_nothing_is_published_and_activating_goes_on(stage, tiny_model):
    stage.start_perception(tiny_model)
    observer = stage.observer
    observer.listen('edges/image')
    camera = observer.camera()
    timer = observer.node.create_timer(0.02, lambda: send(observer, camera))
    observer.spin_until(lambda: observer.received['edges/image'], 'edges')

    assert observer.change_state('deactivate')
    observer.spin_for(0.3)
    observer.received['edges/image'].clear()
    observer.spin_for(0.5)
    published_while_inactive = len(observer.received['edges/image'])
    resumed = observer.now()
    assert observer.change_state('activate')
    observer.spin_until(lambda: observer.received['edges/image'], 'edges again')

    assert published_while_inactive == 0
    assert stamp_key(observer.received['edges/image'][0]) >= (resumed.sec, resumed.nanosec)
    assert observer.diagnose('resets', '2')['last_reset'] == 'activated'
    observer.node.destroy_timer(timer)


def send(observer, camera):
    image = camera_image()
    image.header.stamp = observer.now()
    camera.publish(image)


@pytest.mark.fault(6)
@pytest.mark.parametrize(('settling', 'times'), [
    (2, 5), pytest.param(10, 40, marks=pytest.mark.slow)], ids=['a few', 'fifty'])
def test_cycles_of_the_lifecycle_leave_nothing_behind(stage, tiny_model, settling, times):
    stage.start_perception(tiny_model)
    observer = stage.observer
    observer.listen('edges/image')
    process = psutil.Process(stage.perception.pid)
    camera = observer.camera()
    timer = observer.node.create_timer(0.05, lambda: send(observer, camera))
    cycle(observer, settling)
    before, settled_mb = count_entities(observer), process.memory_info().rss / 1e6
    threads = process.num_threads()

    cycle(observer, times)

    observer.node.destroy_timer(timer)
    observer.spin_until(lambda: count_entities(observer) == before, f'{before} again')
    observer.spin_until(lambda: process.num_threads() <= threads, f'{threads} threads again')
    assert process.memory_info().rss / 1e6 < 1.05 * settled_mb


def cycle(observer, times):
    """Leave the active state and come back to it, through every transition; end unconfigured."""
    for _ in range(times):
        if observer.state() != 'active':
            assert observer.change_state('configure') and observer.change_state('activate')
        assert observer.change_state('deactivate') and observer.change_state('cleanup')


def count_entities(observer):
    graph = observer.node
    name, namespace = 'perception_node', '/'
    try:
        return (len(graph.get_publisher_names_and_types_by_node(name, namespace)),
                len(graph.get_subscriber_names_and_types_by_node(name, namespace)),
                len(graph.get_service_names_and_types_by_node(name, namespace)))
    except RuntimeError:
        return None


@pytest.mark.fault(25)
@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize('moment', ['discovered', 'computing'])
def test_a_signal_ends_the_node_without_a_trace(stage, tiny_model, number, moment):
    node = stage.nodes.perception(tiny_model, input_size=[480, 640])
    observer = stage.observer
    observer.spin_until(
        lambda: 'perception_node' in observer.node.get_node_names(), 'the node')
    if moment == 'computing':
        observer.wait_for_state('active')
        observer.listen('edges/image')
        observer.send_until(observer.camera(), camera_image(), period_s=0.01, what='edges',
                            condition=lambda: len(observer.received['edges/image']) > 2)

    code = node.end(number)

    assert code == 0, node.output
    assert 'Traceback' not in node.output


def test_two_signals_in_a_row_end_the_node_as_one_does(stage, tiny_model):
    node = stage.start_perception(tiny_model)

    node.send_signal(signal.SIGINT)
    time.sleep(0.02)
    code = node.end(signal.SIGINT)

    assert code == 0 and 'Traceback' not in node.output


def test_an_argument_that_is_not_for_ros_is_refused(stage):
    node = stage.nodes.run('perception_node', '--model', 'x')

    assert node.wait() == 2
    assert "unknown argument '--model'" in node.output
