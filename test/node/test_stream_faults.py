"""Whatever breaks the stream of images, nothing old is built upon and no stamp is invented."""

import numpy as np
import pytest
from ros_messages import camera_image, stamp_key

from mtshare_ros.messages.image_messages import read_map

TOPIC = 'depth/image'


@pytest.fixture
def stream(guest):
    """Lend a guest that listens to depth and diagnostics, its camera and the image's stamp."""
    guest.listen(TOPIC)
    guest.watch_diagnostics()
    return Stream(guest)


class Stream:
    """Sends images with chosen stamps and waits for the maps that answer them."""

    def __init__(self, guest):
        self.guest = guest
        self.camera = guest.camera()
        self.seconds = guest.node.get_clock().now().nanoseconds / 1e9

    def show(self, image, *, step=0.1):
        """Send an image, its stamp a step after the last one, until its map comes; return it."""
        self.seconds += step
        return self.send(image, self.seconds)

    def send(self, image, seconds):
        image.header.stamp.sec = int(seconds)
        image.header.stamp.nanosec = round(seconds % 1 * 1e9) % 10**9
        key, inbox = stamp_key(image), self.guest.received[TOPIC]
        inbox.clear()
        timer = self.guest.node.create_timer(0.2, lambda: self.camera.publish(image))
        self.camera.publish(image)
        self.guest.spin_until(
            lambda: any(stamp_key(message) == key for message in inbox), 'a map with the stamp')
        self.guest.node.destroy_timer(timer)
        return read_map(inbox[-1]).copy()

    def shown_resets(self):
        """Return the resets that the diagnostics show from now on; the next may be on its way."""
        inbox = self.guest.received['/diagnostics']
        inbox.clear()
        self.guest.spin_until(lambda: len(inbox) > 1, 'two diagnostics')
        return int(self.guest.figures()['resets'])

    def shown_age_ms(self):
        """Return the age that the diagnostics show next; NaN is unknown."""
        self.guest.received['/diagnostics'].clear()
        return float(self.guest.diagnose('age_ms_p50', lambda _: True)['age_ms_p50'])


@pytest.mark.fault(10)
@pytest.mark.parametrize(('changed', 'reason'), [
    ({'height': 192, 'width': 256}, 'image size changed'),
    ({'encoding': 'bgr8'}, 'image encoding changed'),
    ({'frame_id': 'rear'}, 'frame_id changed'),
])
def test_another_image_mid_stream_is_computed_as_by_a_node_that_just_started(
    running, stream, changed, reason
):
    observer = running.observer
    assert observer.change_state('deactivate') and observer.change_state('activate')
    cold = stream.show(camera_image(seed=1, **changed))
    for _ in range(3):
        stream.show(camera_image())

    warm = stream.show(camera_image(seed=1, **changed))

    assert reason in stream.guest.diagnose(
        'last_reset', lambda text: reason in text)['last_reset']
    np.testing.assert_array_equal(warm, cold)


@pytest.mark.fault(11)
def test_a_camera_that_stops_is_stale_and_begins_anew_when_it_returns(running, stream):
    guest = stream.guest
    stream.show(camera_image())
    before = running.perception.count_lines('WARN', 'no image on /image')
    assert guest.set(input_timeout=0.5).successful

    guest.diagnose('message', lambda text: text.startswith('STALE'))
    guest.set(input_timeout=5.0)
    stream.show(camera_image())

    assert running.perception.count_lines('WARN', 'no image on /image') == before + 1
    assert running.perception.count_lines('INFO', 'images on /image again') >= 1
    guest.diagnose('last_reset', 'the camera was silent')
    guest.diagnose('message', lambda text: not text.startswith('STALE'))


@pytest.mark.fault(14)
@pytest.mark.parametrize(('step', 'reason'), [
    (-60.0, 'stamps went back by 60.'), (60.0, 'stamps left a gap of 60.'),
])
def test_a_jump_of_the_clock_begins_anew_and_the_output_keeps_the_stamp(stream, step, reason):
    for _ in range(3):
        stream.show(camera_image())

    stream.show(camera_image(), step=step)

    stream.guest.diagnose('last_reset', lambda text: reason in text)
    assert not stream.shown_age_ms() < 0


@pytest.mark.fault(14)
def test_a_stamp_that_repeats_is_answered_with_that_stamp(stream):
    before = stream.shown_resets()
    stream.show(camera_image())
    first = stream.shown_resets()

    for _ in range(3):
        stream.show(camera_image(), step=0.0)

    assert first <= before + 1
    assert stream.shown_resets() == first


@pytest.mark.fault(14)
@pytest.mark.parametrize(('seconds', 'words'), [
    (0.0, 'have no stamps'), (2e9, "ahead of this node's clock"), (1.0, 'set use_sim_time'),
])
def test_a_stamp_that_cannot_be_is_kept_warned_of_once_and_gives_no_negative_age(
    running, stream, seconds, words
):
    stream.show(camera_image())
    before = running.perception.count_lines('WARN', words)

    for _ in range(3):
        stream.send(camera_image(), seconds)

    assert running.perception.count_lines('WARN', words) == before + 1
    assert not stream.shown_age_ms() < 0


@pytest.mark.fault(14)
def test_simulated_time_without_a_clock_is_named_and_no_other_machine_is_blamed(running, stream):
    blamed = running.perception.count_lines('synchronise the clocks')
    assert stream.guest.set(use_sim_time=True).successful

    for _ in range(3):
        stream.show(camera_image())

    running.perception.wait_for_output('WARN', 'nothing was received on /clock')
    assert running.perception.count_lines('synchronise the clocks') == blamed
    assert stream.guest.set(use_sim_time=False).successful
