"""A running node computes what changed, as its parameters say, and tells what it did."""

import numpy as np
import pytest
from ros_messages import camera_image

from mtshare_ros.inference.engine import Engine
from mtshare_ros.messages.image_messages import MAX_PIXELS, read_map
from mtshare_ros.model.checkpoint import load_checkpoint
from mtshare_ros.nodes.codec import image_to_rgb

PERIOD_S = 0.03
TOPIC = 'depth/image'


@pytest.fixture
def still(guest):
    """Lend a guest and its camera, after the node has found out that its image stands still."""
    guest.listen(TOPIC)
    camera = guest.camera()
    send_until(guest, camera, camera_image(), 'active_fraction', lambda text: float(text) < 0.4)
    return guest, camera


def send_until(guest, camera, image, name, accept):
    """Publish an image until a diagnostic value that is there is accepted."""
    guest.send_until(camera, image, lambda: accept(guest.newest_figure(name, 'nan')),
                     f'another {name}', PERIOD_S)


def flickering(image, amount=1):
    """Return a copy of an image whose pixels differ a little, as they do from noise."""
    copy = camera_image(image.height, image.width)
    noise = np.random.default_rng(7).integers(-amount, amount + 1, len(image.data))
    pixels = np.frombuffer(image.data, np.uint8).astype(int) + noise
    del copy.data[:]
    copy.data.frombytes(pixels.clip(0, 255).astype(np.uint8).tobytes())
    return copy


def color_of(message):
    """Return which pixels of a picture are not grey."""
    picture = read_map(message).astype(int)
    return picture.max(axis=2) - picture.min(axis=2) > 8


def test_a_threshold_of_zero_computes_everything_from_the_next_frame_on(still):
    guest, camera = still

    assert guest.set(temporal__threshold=0.0).successful

    guest.received['/diagnostics'].clear()
    send_until(guest, camera, camera_image(), 'active_fraction', lambda text: float(text) > 0.6)
    assert guest.set(temporal__threshold=1.0).successful


def test_with_a_threshold_of_zero_the_maps_are_those_of_a_dense_run(still, tiny_model):
    guest, camera = still
    image = flickering(camera_image())
    engine = Engine(load_checkpoint(tiny_model), device='cpu')
    before, after = (engine.infer(image_to_rgb(message, MAX_PIXELS)).depth
                     for message in (camera_image(), image))
    assert guest.set(temporal__threshold=0.0).successful
    guest.received[TOPIC].clear()

    guest.send_until(camera, image, lambda: len(guest.received[TOPIC]) > 2, 'depth', PERIOD_S)

    found = read_map(guest.received[TOPIC][-1])
    np.testing.assert_allclose(found, after, rtol=1e-5)
    assert np.abs(before / after - 1).max() > 1e-3
    guest.set(temporal__threshold=1.0)


def test_the_crossover_stands_in_the_diagnostics_with_its_source(still):
    guest, camera = still
    assert guest.figures()['crossover_source'] == 'default'

    assert guest.set(temporal__crossover=0.5).successful

    send_until(guest, camera, camera_image(), 'crossover', '0.500'.__eq__)
    assert guest.figures()['crossover_source'] == 'setting'
    assert guest.set(temporal__crossover=-1.0).successful


def test_another_frame_id_begins_anew_and_is_named(still):
    guest, camera = still
    resets = int(guest.figures()['resets'])
    reason = "frame_id changed from 'camera' to 'right eye'"

    send_until(guest, camera, camera_image(frame_id='right eye'), 'last_reset', reason.__eq__)

    figures = guest.figures()
    assert int(figures['resets']) > resets
    assert figures['recent_resets'].split('; ').count(reason) == 1


def test_an_age_below_the_refresh_period_is_refused_and_both_together_are_taken(guest):
    refused = guest.set(temporal__max_age=10)
    taken = guest.set_together(temporal__max_age=10, temporal__refresh_period=5)

    assert not refused.successful and 'temporal.refresh_period is 30' in refused.reason
    assert taken.successful and guest.get('temporal.max_age') == 10
    guest.set_together(temporal__max_age=90, temporal__refresh_period=30)


def test_the_activity_alone_computes_every_task_and_shows_what_changed(guest):
    guest.listen('sharing/activity')
    camera, pictures = guest.camera(), guest.received['sharing/activity']
    guest.send_until(camera, camera_image(), lambda: pictures and not color_of(pictures[-1]).any(),
                     'a picture of rest', PERIOD_S)
    changed = camera_image()
    np.frombuffer(changed.data, np.uint8).reshape(96, 128, 3)[32:48, 64:80] ^= 255

    guest.send_until(camera, changed, lambda: color_of(pictures[-1])[32:48, 64:80].all(),
                     'a picture of the change', PERIOD_S)

    assert (pictures[-1].height, pictures[-1].width) == (96, 128)
    assert guest.diagnose('computed', 'semseg depth normals edge')
