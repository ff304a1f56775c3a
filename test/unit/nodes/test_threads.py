"""The newest frame wins, one thread computes, and nothing piles up."""

import threading

import pytest
from waiting import PATIENCE_S

from mtshare_ros.nodes.perception.pipeline import InferenceThread
from mtshare_ros.nodes.sim_camera.node import FrameAhead


class Camera:
    """Stands for a pipeline: keeps what it is given, and can be held up."""

    def __init__(self, handled=None):
        self.handled = [] if handled is None else handled
        self.begun, self.done = threading.Event(), threading.Event()
        self.free = threading.Event()
        self.free.set()

    def handle(self, job):
        self.begun.set()
        self.free.wait(PATIENCE_S)
        self.handled.append(job)
        if job == 'last':
            self.done.set()


@pytest.fixture
def thread():
    made = InferenceThread()
    yield made
    made.stop(PATIENCE_S)


@pytest.fixture
def busy(thread):
    """Lend a camera whose first job keeps the thread busy until ``free`` is set."""
    camera = Camera()
    camera.free.clear()
    thread.put(camera, 'first')
    assert camera.begun.wait(PATIENCE_S)
    yield camera
    camera.free.set()


def test_the_newest_job_replaces_the_one_that_was_not_begun(thread, busy):
    replaced = [thread.put(busy, job) for job in ('old', 'newer', 'last')]
    busy.free.set()

    assert busy.done.wait(PATIENCE_S)
    assert replaced == [False, True, True]
    assert busy.handled == ['first', 'last']


def test_cameras_are_served_in_turn_however_fast_one_of_them_is(thread, busy):
    handled = busy.handled
    fast, slow, last = (Camera(handled) for _ in range(3))
    for camera, job in ((fast, 'a1'), (slow, 'b1'), (fast, 'a2'), (last, 'last'), (fast, 'a3')):
        thread.put(camera, job)
    busy.free.set()

    assert last.done.wait(PATIENCE_S)
    assert handled == ['first', 'a3', 'b1', 'last']


def test_a_camera_that_was_served_goes_to_the_end_of_the_line(thread, busy):
    handled = busy.handled
    others = [Camera(handled) for _ in range(2)]
    for camera, job in zip(others, ('a', 'b')):
        thread.put(camera, job)
    thread.put(busy, 'last')
    busy.free.set()

    assert busy.done.wait(PATIENCE_S)
    assert handled == ['first', 'a', 'b', 'last']


def test_a_job_is_handled_once_and_the_next_replaces_nothing(thread, busy):
    busy.free.set()
    thread.put(busy, 'last')
    assert busy.done.wait(PATIENCE_S)

    assert thread.put(busy, 'next') is False
    assert thread.stop(PATIENCE_S)
    assert busy.handled.count('last') == 1


def test_stopping_frees_the_thread_that_waits(thread):
    assert thread.stop(PATIENCE_S)


def test_a_job_left_after_the_stop_is_not_handled(thread):
    camera = Camera()
    thread.stop(PATIENCE_S)

    thread.put(camera, 'late')

    assert not camera.begun.wait(0.1)


def test_stopping_waits_for_the_job_at_hand_and_drops_the_next(thread, busy):
    thread.put(busy, 'second')
    threading.Timer(0.1, busy.free.set).start()

    assert thread.stop(PATIENCE_S)
    assert busy.handled == ['first']


def test_a_thread_that_is_stuck_is_not_waited_for_for_ever(thread, busy):
    assert not thread.stop(0.05)


def take_all(frames, count):
    taken = []
    while len(taken) < count:
        frame = frames.take()
        if frame is not None:
            taken.append(frame)
    return taken


def test_frames_come_in_order_and_none_is_lost():
    frames = FrameAhead(lambda index: f'frame {index}')

    taken = take_all(frames, 10)
    frames.close()

    assert taken == [f'frame {index}' for index in range(10)]


def test_only_a_few_frames_are_made_ahead():
    made = []
    frames = FrameAhead(lambda index: made.append(index) or index, ahead=2)
    take_all(frames, 1)

    frames.close()

    assert len(made) <= 5


def test_a_fault_of_the_first_frame_is_raised_at_once():
    def broken(index):
        raise ValueError('damaged')

    with pytest.raises(ValueError, match='damaged'):
        FrameAhead(broken)


def test_a_fault_of_a_later_frame_is_raised_where_it_is_taken():
    def broken(index):
        if index == 2:
            raise ValueError('damaged')
        return index

    frames = FrameAhead(broken)

    with pytest.raises(ValueError, match='damaged'):
        take_all(frames, 100)
