"""Maps come for every image of the camera, however few of them the network computes."""

import itertools
import time

import numpy as np
import pytest
from ros_harness import open_stage
from ros_messages import camera_image, stamp_key, stamped

from mtshare_ros.messages.image_messages import read_map

TOPIC = 'depth/image'
RATE_HZ = 20.0
COMPUTED_HZ = 2.0
ANSWERED_WITHIN_S = 2.0
"""A machine that carries maps more slowly than images come gets them as it answers them."""


@pytest.fixture(scope='module')
def fast(tmp_path_factory, tiny_model):
    """Lend a node that carries its maps to every image and computes few of them."""
    with open_stage(tmp_path_factory.mktemp('fast')) as stage:
        stage.start_perception(tiny_model, motion__source='images', motion__every_frame=True,
                               max_rate=COMPUTED_HZ)
        stage.observer.listen(TOPIC, depth=10)
        stage.publisher = stage.observer.camera()
        yield stage


class Walk:
    """
    Publishes the views of a camera that moves to and fro before a wall of blots.

    The next image is published when the last one has its maps, or has waited for them in vain.
    """

    def __init__(self, stage):
        blots = np.random.default_rng(3).integers(0, 256, (24, 64, 3), np.uint8)
        self._wall = blots.repeat(8, axis=0).repeat(8, axis=1)
        self._stage = stage
        self._sent_s = 0.0
        self.sent = []

    def __enter__(self):
        self._timer = self._stage.observer.node.create_timer(1 / RATE_HZ, self._step)
        return self

    def __exit__(self, *_):
        self._stage.observer.node.destroy_timer(self._timer)

    def _step(self):
        answered = {stamp_key(message) for message in self._stage.observer.received[TOPIC]}
        if not answered.issuperset(self.sent[-1:]) and (
                time.monotonic() < self._sent_s + ANSWERED_WITHIN_S):
            return
        self._sent_s = time.monotonic()
        column = 100 + round(40 * np.sin(len(self.sent) / 15))
        image = camera_image()
        view = self._wall[40:136, column:column + 128]
        np.frombuffer(image.data, np.uint8)[:] = view.ravel()
        self.sent.append(stamp_key(stamped(image, self._stage.observer.now())))
        self._stage.publisher.publish(image)


def test_every_image_gets_maps_once_in_order_and_with_its_stamp(fast):
    observer, inbox = fast.observer, fast.observer.received[TOPIC]
    with Walk(fast) as walk:
        observer.spin_until(lambda: len(inbox) > 2, 'the first maps')
        inbox.clear()
        begun = len(walk.sent)
        observer.spin_until(lambda: len(walk.sent) > begun + 60, 'sixty images')

    keys = [stamp_key(message) for message in inbox]
    assert keys == sorted(set(keys)) and set(keys) <= set(walk.sent)
    assert len(keys) > 0.8 * 60


def test_the_diagnostics_tell_what_was_computed_and_what_was_carried(fast):
    observer = fast.observer
    before, begin = observer.diagnose('carried', str.isdigit), time.monotonic()
    with Walk(fast):
        figures = observer.diagnose(
            'carried', lambda count: int(count) > 40 + int(before['carried']))
    seconds = time.monotonic() - begin

    # a limit of a mean lets the first two pass at once
    assert int(figures['processed']) - int(before['processed']) <= 2 + COMPUTED_HZ * seconds
    assert float(figures['carried_ms_p50']) > 0
    assert float(figures['carried_behind_ms_p95']) > 0
    assert not figures['message'].startswith('OVERLOADED')


@pytest.mark.fault(35)
def test_an_image_that_does_not_follow_is_counted_and_computed(fast):
    observer, inbox = fast.observer, fast.observer.received[TOPIC]
    with Walk(fast):
        figures = observer.diagnose('carried', lambda count: int(count) > 0)
    before = int(figures['not_carried'])
    inbox.clear()

    seeds = itertools.count(5)
    timer = observer.node.create_timer(0.1, lambda: fast.publisher.publish(
        stamped(camera_image(seed=next(seeds)), observer.now())))

    def is_told():
        figures = observer.figures()
        return (int(figures['not_carried']) > before and inbox
                and 'the motion of the camera is not sure' in figures['not_carried_reason'])

    # on a busy machine an image may first be one for which the newest maps are too old
    observer.spin_until(is_told, 'images of something else')
    observer.node.destroy_timer(timer)


def test_nothing_is_published_after_the_node_was_deactivated(fast):
    observer, inbox = fast.observer, fast.observer.received[TOPIC]
    with Walk(fast):
        inbox.clear()
        observer.spin_until(lambda: len(inbox) > 5, 'maps')
        assert observer.change_state('deactivate')
        observer.spin_for(0.2)
        inbox.clear()
        observer.spin_for(0.5)
        silent = not inbox
        assert observer.change_state('activate')
        observer.spin_until(lambda: len(inbox) > 5, 'maps again')

    assert silent


def test_a_topic_that_is_asked_for_later_comes_too(fast):
    observer = fast.observer
    observer.listen('normals/image', depth=10)

    with Walk(fast):
        observer.spin_until(lambda: len(observer.received['normals/image']) > 10, 'normals')

    normals = read_map(observer.received['normals/image'][-1])
    np.testing.assert_allclose(np.linalg.norm(normals, axis=2), 1, atol=1e-3)
