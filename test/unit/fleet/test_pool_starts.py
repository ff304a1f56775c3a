"""Workers of a pool that cannot be started, or not as asked: what the user is told."""

import os
from pathlib import Path
import signal
import sys
import tempfile
import time

import pytest

from mtshare_ros.errors import FleetError, ModelError
from mtshare_ros.fleet.pool import Pool, PoolOptions, Task
from mtshare_ros.fleet.pool_room import room_for_workers
from mtshare_ros.fleet.ray_folder import ray_folder
from mtshare_ros.fleet.ray_session import joined_ray, local_ray, usable_cpus

ray = pytest.importorskip('ray', reason='ray is not installed: pip install -e ".[fleet]"')
# the workers' processes do not have the path of this file
ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])


class Worker:
    def threads(self):
        import torch
        return torch.get_num_threads()

    def wait(self, marker):
        while not marker.exists():
            time.sleep(0.01)


def refuse(report):
    raise ModelError('the model is damaged')


def fail(report):
    raise ValueError('no luck')


def die(report):
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.fixture(scope='module')
def folder():
    """Return a folder whose path is short enough for sockets, unlike tmp_path's."""
    with tempfile.TemporaryDirectory(prefix='pool', dir='/tmp') as folder:
        yield Path(folder)


@pytest.fixture(scope='module', autouse=True)
def ray_of_two_cpus(folder):
    """Start a Ray that the pools of all tests use, as starting one takes longest."""
    with local_ray(2, folder, dashboard=False, say=print) as session:
        yield session


def start(make_worker, *tasks, said=None, progress=lambda amount: None, **options):
    """Return what became of tasks in a pool."""
    say = [].append if said is None else said.append
    with Pool(PoolOptions(**{'workers': 1, **options}), make_worker, say) as pool:
        for task in tasks or (Task('threads', 'threads'),):
            pool.submit(task)
        return list(pool.finished(progress))


def test_workers_have_the_threads_that_were_asked_for():
    assert start(lambda report: Worker(), threads=2)[0].value == 2


def test_an_error_that_the_user_can_correct_ends_the_pool_at_once_with_its_text():
    with pytest.raises(FleetError, match='^the model is damaged$'):
        start(refuse)


@pytest.mark.slow
@pytest.mark.parametrize('make_worker, reason', [(fail, 'ValueError: no luck'), (die, 'killed')])
def test_workers_that_never_start_are_given_up_after_three_tries(make_worker, reason):
    with pytest.raises(FleetError, match=f'could not be started, 3 times in a row.*{reason}'):
        start(make_worker)


@pytest.mark.slow
def test_a_worker_that_starts_at_the_second_try_computes(tmp_path):
    def make_worker(report):
        if not (tmp_path / 'tried').exists():
            (tmp_path / 'tried').touch()
            die(report)
        return Worker()

    assert not start(make_worker)[0].error


@pytest.mark.slow
def test_where_only_some_workers_start_these_go_on(tmp_path):
    def make_worker(report):
        (tmp_path / 'taken').touch(exist_ok=False)
        return Worker()

    def progress(amount):
        if said:
            (tmp_path / 'marker').touch()

    said = []
    tasks = [Task(number, 'wait', (tmp_path / 'marker',)) for number in range(3)]

    done = start(make_worker, *tasks, said=said, progress=progress, workers=2)

    assert not any(each.error for each in done) and len(done) == 3
    assert len(said) == 1 and said[0].endswith('the others go on')


def test_more_gpus_or_threads_than_any_machine_has_are_refused():
    with pytest.raises(FleetError, match=r'shall have 99 GPUs \(--gpus-per-worker\); no machine'):
        start(refuse, gpus=99.0)
    with pytest.raises(FleetError, match=r'shall have 3 threads .* more than 2 CPUs'):
        start(refuse, threads=3)


def test_as_many_workers_fit_as_their_threads_leave_room_for(ray_of_two_cpus):
    assert room_for_workers(ray_of_two_cpus.ray, threads=1, gpus=0.0) == 2
    assert room_for_workers(ray_of_two_cpus.ray, threads=2, gpus=0.0) == 1


def test_the_cpus_that_this_process_may_not_use_do_not_count():
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        assert usable_cpus() == 1
    finally:
        os.sched_setaffinity(0, allowed)


@pytest.mark.parametrize('address', ['127.0.0.1:1', 'ray://127.0.0.1:1'])
def test_an_address_at_which_nothing_answers_is_named(address):
    with pytest.raises(FleetError, match=f'--address {address}: nothing answers at 127.0.0.1'):
        with joined_ray(address, print):
            pass


def test_a_temporary_folder_with_a_path_too_long_for_sockets_is_refused():
    with pytest.raises(FleetError, match='/a{30}: the path is too long .* allowed are 21'):
        with ray_folder(Path('/' + 'a' * 30), print):
            pass


def test_a_folder_that_is_kept_is_named_and_stays(folder):
    said = []
    with ray_folder(folder, said.append) as first:
        first.keep = True
    with ray_folder(folder, said.append):
        assert first.path.is_dir()
    assert said == [f'what the workers and Ray wrote is in {first.logs}']
