"""Outputs are fresh whatever the camera does, and silence is explained."""

import time

import pytest
from ros_messages import camera_image, profile, stamp_key
from sensor_msgs.msg import CompressedImage, Image


def start_camera(observer, image, rate_hz, *, reliable=True):
    """Publish an image with new stamps at a rate; return the stamps."""
    camera = observer.camera(reliable=reliable)
    stamps = set()

    def publish():
        image.header.stamp = observer.now()
        stamps.add(stamp_key(image))
        camera.publish(image)

    observer.node.create_timer(1 / rate_hz, publish)
    return stamps


@pytest.mark.fault(12)
def test_a_camera_faster_than_the_model_loses_frames_but_gains_no_delay(stage, tiny_model):
    # the same image again and again: what sharing makes of it would keep up with any camera
    stage.start_perception(tiny_model, input_size=[480, 640], lazy=False,
                           **{'temporal.enabled': False})
    observer = stage.observer
    start_camera(observer, camera_image(), 100.0)

    observer.diagnose('processed', lambda count: int(count) > 9)
    figures = observer.diagnose('dropped', lambda count: int(count) > 50)

    assert float(figures['age_ms_p95']) < 3 * float(figures['inference_ms_p95'])
    unaccounted = int(figures['received']) - int(figures['processed']) - int(figures['dropped'])
    assert 0 <= unaccounted <= 2


def test_every_output_carries_the_stamp_of_an_image_that_was_sent(guest):
    guest.listen('depth/image')
    stamps = start_camera(guest, camera_image(), 30.0)

    guest.spin_until(lambda: len(guest.received['depth/image']) > 20, 'depth maps')

    keys = [stamp_key(message) for message in guest.received['depth/image']]
    assert set(keys) <= stamps and keys == sorted(set(keys))


@pytest.mark.fault(13)
@pytest.mark.parametrize('sent', ['best effort', 'reliable'])
@pytest.mark.parametrize('received', ['best effort', 'reliable'])
def test_images_of_a_high_resolution_camera_arrive_with_any_reliability(guest, sent, received):
    guest.listen('semantic/mask', reliable=received == 'reliable')

    start_camera(guest, camera_image(720, 1280), 10.0, reliable=sent == 'reliable')

    guest.spin_until(lambda: len(guest.received['semantic/mask']) >= 10, 'ten masks')


def test_the_rate_limit_skips_frames_and_counts_them(guest):
    guest.listen('edges/image')
    before = guest.diagnose('state', 'active')
    assert guest.set(max_rate=5.0).successful

    begin = time.monotonic()
    start_camera(guest, camera_image(), 50.0)
    figures = guest.diagnose(
        'processed', lambda count: int(count) >= int(before['processed']) + 10)
    seconds = time.monotonic() - begin

    skipped, processed = (int(figures[name]) - int(before[name])
                          for name in ('skipped', 'processed'))
    # a limit of a mean lets the first two pass at once
    assert skipped > 0 and processed <= 2 + 5.0 * seconds
    guest.set(max_rate=0.0)


def test_silence_without_a_publisher_is_explained_once(stage, tiny_model):
    stage.start_perception(tiny_model, input_timeout=0.3)

    stage.observer.diagnose('message', lambda text: text.startswith('STALE'))

    assert stage.perception.count_lines('WARN', 'no image on /image', 'no publisher') == 1


def test_silence_of_a_publisher_names_it_and_its_return_is_said(running, guest):
    camera = guest.camera()
    guest.set(input_timeout=0.5)
    running.perception.wait_for_output('WARN', 'no image on /image', '/guest (reliable')

    guest.send_until(
        camera, camera_image(), lambda: running.perception.count_lines('on /image again'),
        'the return of the camera')

    assert running.perception.count_lines('INFO', 'images on /image again') == 1
    guest.set(input_timeout=5.0)


def test_a_camera_of_another_type_is_named(stage, tiny_model):
    stage.observer.node.create_publisher(CompressedImage, 'image', 1)

    stage.start_perception(tiny_model, input_timeout=2.0)

    stage.perception.wait_for_output(
        'WARN', '/observer', 'sensor_msgs/msg/CompressedImage',
        'sensor_msgs/msg/Image is needed; image_transport: compressed takes it')


def test_an_incompatible_camera_is_named_with_the_policy(stage, tiny_model):
    stage.observer.node.create_publisher(Image, 'image', profile(reliable=False))
    override = {'qos_overrides./image.subscription.reliability': 'reliable'}

    stage.start_perception(tiny_model, input_timeout=2.0, **override)

    stage.perception.wait_for_output('WARN', 'no image', '/observer', 'incompatible')
