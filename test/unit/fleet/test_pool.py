"""A pool of workers over a real Ray: results, errors, deaths, progress, and how it ends."""

import ctypes
import os
from pathlib import Path
import signal
import sys
import tempfile
import time

import pytest

from mtshare_ros.errors import ModelError
from mtshare_ros.fleet.pool import Pool, PoolOptions, Task

ray = pytest.importorskip('ray', reason='ray is not installed: pip install -e ".[fleet]"')
# the workers' processes do not have the path of this file
ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])


class Worker:
    def __init__(self, report):
        self.report = report

    def square(self, number):
        return number * number

    def meet(self, own, other):
        own.touch()
        while not other.exists():
            time.sleep(0.01)
        return os.getpid()

    def fail(self, error):
        raise error

    def crash(self):
        ctypes.string_at(0)

    def die(self, marker):
        """Kill the process, the first time or, without a marker, every time."""
        if marker is None or not marker.exists():
            if marker is not None:
                marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return 'alive'

    def count(self, last, marker):
        """Report up to ``last``, then wait for the marker."""
        for number in range(1, last + 1):
            self.report('frames', number)
        while not marker.exists():
            time.sleep(0.01)


@pytest.fixture(scope='module')
def folder():
    """Return a folder whose path is short enough for sockets, unlike tmp_path's."""
    with tempfile.TemporaryDirectory(prefix='pool', dir='/tmp') as folder:
        yield Path(folder)


@pytest.fixture(scope='module')
def said():
    return []


@pytest.fixture(scope='module')
def pool(folder, said):
    with Pool(PoolOptions(workers=2, temp_folder=folder), Worker, said.append) as pool:
        yield pool


def run(pool, *tasks):
    for task in tasks:
        pool.submit(task)
    return {done.task.key: done for done in pool.finished()}


def test_every_task_comes_back_once_with_its_value(pool):
    tasks = [Task(number, 'square', (number,)) for number in range(50)]
    for task in tasks:
        pool.submit(task)

    done = list(pool.finished())

    assert sorted(each.task.key for each in done) == list(range(50))
    assert all(each.value == each.task.key ** 2 and not each.error for each in done)


def test_two_workers_compute_at_the_same_time(pool, tmp_path):
    one, other = tmp_path / 'one', tmp_path / 'other'

    done = run(pool, Task(1, 'meet', (one, other)), Task(2, 'meet', (other, one)))

    assert done[1].value != done[2].value


def test_an_exception_comes_back_as_its_text(pool):
    done = run(pool, Task('own', 'fail', (ModelError('the model is damaged'),)),
               Task('other', 'fail', (ValueError('no'),)))

    assert done['own'].error == 'the model is damaged' and not done['own'].lost
    assert done['other'].error.startswith('ValueError: no (test_pool.py, line ')


def test_the_tasks_of_a_worker_that_dies_run_again(pool, said, tmp_path):
    tasks = [Task(number, 'square', (number,)) for number in range(9)]

    done = run(pool, Task('deadly', 'die', (tmp_path / 'marker',)), *tasks)

    assert done['deadly'].value == 'alive'
    assert all(done[number].value == number ** 2 for number in range(9))
    assert len([line for line in said if 'died while it computed deadly' in line]) == 1


@pytest.mark.slow
def test_how_a_worker_crashed_is_told(pool):
    done = run(pool, Task('crash', 'crash'))['crash']

    assert done.lost and 'Segmentation fault, File ' in done.error and 'string_at' in done.error


@pytest.mark.slow
def test_a_task_that_always_kills_its_worker_is_lost_and_no_other_task_is(pool):
    tasks = [Task(number, 'square', (number,)) for number in range(9)]

    done = run(pool, Task('deadly', 'die', (None,)), *tasks)

    assert done['deadly'].lost and '3 workers died' in done['deadly'].error
    assert all(done[number].value == number ** 2 for number in range(9))


def test_tasks_go_to_the_worker_that_ran_their_neighbours(pool, tmp_path):
    def pair(number):
        one, other = tmp_path / f'one {number}', tmp_path / f'other {number}'
        return (Task(('a', number), 'meet', (one, other), near='a'),
                Task(('b', number), 'meet', (other, one), near='b'))

    done = run(pool, *(task for number in range(4) for task in pair(number)))

    assert all(done['a', number].value == done['a', 0].value for number in range(4))
    assert all(done['b', number].value == done['b', 0].value for number in range(4))


def test_tasks_can_be_added_while_others_finish(pool):
    pool.submit(Task(0, 'square', (0,)))
    keys = []
    for done in pool.finished():
        keys.append(done.task.key)
        if len(keys) < 5:
            pool.submit(Task(len(keys), 'square', (len(keys),)))

    assert keys == [0, 1, 2, 3, 4]


def test_progress_is_what_the_workers_report_of_unfinished_tasks(pool, tmp_path):
    marker, amounts = tmp_path / 'marker', []

    def watch(amount):
        amounts.append(amount)
        if amount == 50:
            marker.touch()

    for number in range(2):
        pool.submit(Task(number, 'count', (25, marker)))
    list(pool.finished(watch))

    assert max(amounts) == 50
