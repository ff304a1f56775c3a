"""The services of the node: beginning anew, and switching the camera off and on."""

import numpy as np
from ros_messages import camera_image
from std_srvs.srv import SetBool, Trigger


def listen(guest):
    guest.listen('edges/image')
    guest.watch_diagnostics()
    return guest.camera()


def reset(guest):
    return guest.call(
        Trigger, 'perception_node/reset_cache', Trigger.Request(), ask_again=False)


def enable(guest, data):
    return guest.call(SetBool, 'perception_node/enable', SetBool.Request(data=data))


def test_a_reset_computes_the_next_frame_whole_and_says_why(guest):
    camera = listen(guest)
    guest.send_until(camera, camera_image(), lambda: guest.received['edges/image'], 'edges')

    answer = reset(guest)

    assert answer.success and 'next frame' in answer.message
    guest.send_until(
        camera, camera_image(),
        lambda: guest.newest_figure('last_reset', '') == 'asked for by reset_cache', 'the reset')


def test_a_node_that_is_not_active_says_that_it_remembers_nothing(stage, tiny_model):
    stage.start_perception(tiny_model, wait_for='unconfigured', autostart=False)

    answer = reset(stage.observer)

    assert not answer.success and 'activate it first' in answer.message


def test_a_camera_switched_off_publishes_nothing_and_is_neither_stale_nor_forgotten(
    running, guest
):
    camera = listen(guest)
    guest.set(input_timeout=0.5)
    assert enable(guest, False).success
    guest.send_until(
        camera, camera_image(), lambda: 'switched off' in guest.newest_figure('idle', ''), 'idle')
    guest.received['edges/image'].clear()
    processed = guest.figures()['processed']

    received = int(guest.figures()['received'])
    guest.send_until(
        camera, camera_image(),
        lambda: int(guest.newest_figure('received', '0')) > received + 10, 'more images')
    guest.diagnose('processed', processed)
    silent = guest.diagnose('input_hz', '0.0')

    assert silent['message'].startswith('idle') and not guest.received['edges/image']
    guest.set(input_timeout=5.0)
    assert enable(guest, True).success
    guest.send_until(camera, camera_image(), lambda: guest.received['edges/image'], 'edges')


def test_the_switch_outlives_a_deactivation(stage, tiny_model):
    stage.start_perception(tiny_model)
    observer = stage.observer
    camera = listen(observer)
    assert enable(observer, False).success

    assert observer.change_state('deactivate') and observer.change_state('activate')

    observer.send_until(
        camera, camera_image(), lambda: 'switched off' in observer.newest_figure('idle', ''),
        'an idle camera')


def test_the_diagnostics_come_as_often_as_they_are_asked_for(guest):
    guest.watch_diagnostics()

    guest.spin_until(lambda: len(guest.received['/diagnostics']) > 4, 'five diagnostic messages')

    stamps = [message.header.stamp for message in guest.received['/diagnostics']]
    seconds = [stamp.sec + stamp.nanosec / 1e9 for stamp in stamps]
    period_s = guest.get('diagnostics_period')
    assert period_s < 0.5 and min(np.diff(seconds)) < 2 * period_s
