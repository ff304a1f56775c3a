"""The newest frame wins, one thread computes, and nothing piles up."""

import threading

import pytest

from mtshare_ros.nodes.frame_source import FrameAhead
from mtshare_ros.nodes.mailbox import Mailbox
from mtshare_ros.nodes.worker import Worker

PATIENCE_S = 15.0


def test_the_newest_item_replaces_the_one_nobody_took():
    mailbox = Mailbox()

    replaced = [mailbox.put(item) for item in ('old', 'newer', 'newest')]

    assert replaced == [False, True, True]
    assert mailbox.take() == 'newest'


def test_senders_are_served_in_turn_however_fast_one_of_them_is():
    mailbox = Mailbox(sender=lambda item: item[0])
    for item in ('a1', 'b1', 'a2', 'a3'):
        mailbox.put(item)

    first = mailbox.take()
    mailbox.put('a4')

    assert [first, mailbox.take(), mailbox.take()] == ['a3', 'b1', 'a4']


def test_an_item_is_taken_once():
    mailbox = Mailbox()
    mailbox.put('only')
    mailbox.take()

    assert mailbox.put('next') is False


def test_closing_frees_whoever_waits():
    mailbox, taken = Mailbox(), []
    waiting = threading.Thread(target=lambda: taken.append(mailbox.take()))
    waiting.start()

    mailbox.close()
    waiting.join(PATIENCE_S)

    assert taken == [None]


def test_a_closed_mailbox_gives_nothing_even_when_something_is_put():
    mailbox = Mailbox()
    mailbox.close()

    mailbox.put('late')

    assert mailbox.take() is None


def test_an_exception_is_reported_and_the_next_item_is_handled():
    handled, errors, done = [], [], threading.Event()

    def handle(item):
        if item == 'bad':
            raise ValueError(item)
        handled.append(item)
        done.set()

    reported = threading.Event()
    worker = Worker(
        handle, lambda item, error: (errors.append((item, error)), reported.set()), 'test')
    worker.offer('bad')
    reported.wait(PATIENCE_S)
    worker.offer('good')
    done.wait(PATIENCE_S)

    assert worker.stop(PATIENCE_S)
    assert handled == ['good'] and [(item, str(error)) for item, error in errors] == [
        ('bad', 'bad')]


def test_stopping_waits_for_the_item_at_hand_and_drops_the_next():
    handled, begun, release = [], threading.Event(), threading.Event()

    def handle(item):
        begun.set()
        release.wait(PATIENCE_S)
        handled.append(item)

    worker = Worker(handle, pytest.fail, 'test')
    worker.offer('first')
    begun.wait(PATIENCE_S)
    worker.offer('second')
    threading.Timer(0.1, release.set).start()

    assert worker.stop(PATIENCE_S)
    assert handled == ['first']


def test_a_worker_that_is_stuck_is_not_waited_for_for_ever():
    begun, release = threading.Event(), threading.Event()
    worker = Worker(lambda _: (begun.set(), release.wait(PATIENCE_S)), pytest.fail, 'test')
    worker.offer('stuck')
    begun.wait(PATIENCE_S)

    ended = worker.stop(0.05)
    release.set()

    assert not ended


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
