"""What fails in the middle of a frame is reported, tried again, and given up in the end."""

import pytest
from ros_messages import camera_image, stamped

from mtshare_ros.nodes.perception.frame_reports import ERROR_AFTER, GIVE_UP_AFTER


def start(stage, model, fault, times):
    """Start a node whose engine fails so many times, and a listener for its edges."""
    node = stage.nodes.failing_perception(model, fault, times)
    stage.observer.wait_for_state('active')
    stage.observer.listen('edges/image')
    stage.observer.watch_diagnostics()
    return node


def send_until(observer, condition, what):
    observer.send_until(observer.camera(), camera_image(), condition, what)


@pytest.mark.fault(17)
def test_a_frame_that_runs_out_of_memory_once_is_published_and_the_node_degraded(
    stage, tiny_model
):
    node = start(stage, tiny_model, 'memory', 1)
    observer = stage.observer

    send_until(observer, lambda: observer.received['edges/image'], 'edges')

    figures = observer.diagnose('message', lambda text: text.startswith('DEGRADED'))
    assert 'ran out of memory' in figures['message']
    assert 'out of memory' in figures['recent_resets'] and figures['failed'] == '0'
    assert node.count_lines('WARN', 'ran out of memory') == 1


@pytest.mark.fault(17)
def test_memory_that_does_not_come_back_deactivates_the_node_which_can_be_activated_again(
    stage, tiny_model
):
    # every frame is tried twice
    node = start(stage, tiny_model, 'memory', 2 * GIVE_UP_AFTER)
    observer = stage.observer

    send_until(observer, lambda: node.count_lines('ERROR', 'deactivating'), 'the end')
    figures = observer.diagnose('state', 'inactive')

    assert figures['message'].startswith('ERROR: the device ran out of memory')
    assert observer.change_state('activate')
    send_until(observer, lambda: observer.received['edges/image'], 'edges')
    assert 'Traceback' not in node.output


@pytest.mark.fault(18)
def test_an_exception_in_the_engine_costs_the_frame_and_not_the_node(stage, tiny_model):
    node = start(stage, tiny_model, 'error', 1)
    observer = stage.observer

    send_until(observer, lambda: observer.received['edges/image'], 'edges')

    figures = observer.diagnose('failed', '1')
    assert figures['message'].startswith('DEGRADED') and 'is broken' in figures['last_error']
    assert node.count_lines('ERROR', 'the next one is tried again') == 1


@pytest.mark.fault(18)
def test_exceptions_in_a_row_are_an_error_until_a_frame_succeeds(stage, tiny_model):
    start(stage, tiny_model, 'error', ERROR_AFTER)
    observer = stage.observer
    camera = observer.camera()
    for _ in range(ERROR_AFTER):
        fail_once(observer, camera)
    observer.diagnose('message', lambda text: f'{ERROR_AFTER} frames in a row failed' in text)
    observer.send_until(
        camera, camera_image(), lambda: observer.received['edges/image'], 'edges')

    observer.diagnose('message', lambda text: not text.startswith('ERROR'))
    assert observer.state() == 'active'


def fail_once(observer, camera):
    """Send one image until it has failed; one that was lost on its way is sent again."""
    image, failed = camera_image(), int(observer.newest_figure('failed', '0'))
    camera.publish(stamped(image, observer.now()))
    observer.send_until(
        camera, image, lambda: int(observer.newest_figure('failed', '0')) > failed,
        'one more failure', period_s=5.0)
