"""How a Ray on this machine is started: with what is needed, again where it fails, and ended."""

import os
from pathlib import Path
import signal
import subprocess
import sys
import tempfile
import threading
import time
from types import SimpleNamespace

import psutil
import pytest

from mtshare_ros.errors import FleetError
from mtshare_ros.fleet.ray_services import needed_services_only
from mtshare_ros.fleet.ray_session import local_ray

ray = pytest.importorskip('ray', reason='ray is not installed: pip install -e ".[fleet]"')
from ray._private.node import Node  # noqa: E402

NEEDED = {'gcs_server', 'raylet', 'ray::DashboardAgent', 'ray::RuntimeEnvAgent', 'ray::IDLE'}
PATIENCE_S = 120.0


@pytest.fixture
def folder():
    """Return a folder whose path is short enough for sockets, unlike tmp_path's."""
    with tempfile.TemporaryDirectory(prefix='ray', dir='/tmp') as folder:
        yield Path(folder)


def children():
    return psutil.Process().children(recursive=True)


def command_of(process):
    """Return the words of a process, none where it has ended."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def names(processes):
    return sorted(process.name() for process in processes)


@pytest.mark.slow
def test_a_ray_of_this_machine_has_the_processes_that_workers_need(folder):
    """Where this fails with another Ray, see whether it runs without the others (_TRIED)."""
    before = set(children())
    with local_ray(1, folder, dashboard=False, say=print):
        # names are set by the processes themselves, some time after they began
        deadline = time.monotonic() + PATIENCE_S
        while (found := set(names(set(children()) - before))) != NEEDED:
            assert time.monotonic() < deadline, found
            time.sleep(0.1)


@pytest.mark.slow
def test_workers_do_not_wait_for_the_agents_of_ray(folder):
    stopped, done = [], threading.Event()

    def stop_agents():
        while not done.wait(0.02):
            new = [process for process in children() if process not in stopped]
            agents = [process for process in new if 'agent' in ' '.join(command_of(process)[:4])]
            for agent in agents:
                agent.suspend()
                stopped.append(agent)
    watch = threading.Thread(target=stop_agents)
    watch.start()
    try:
        with local_ray(1, folder, dashboard=False, say=print) as session:
            assert session.ray.get(session.ray.remote(lambda: 7).remote()) == 7
            assert {agent.status() for agent in stopped} == {psutil.STATUS_STOPPED}
            for agent in stopped:
                agent.resume()
    finally:
        done.set()
        watch.join()
    assert len(stopped) == 2


def test_other_versions_of_ray_start_all_they_have():
    before = dict(vars(Node))
    with needed_services_only(SimpleNamespace(__version__='9.0.0')):
        assert dict(vars(Node)) == before
    with pytest.raises(KeyError), needed_services_only(ray):
        assert dict(vars(Node)) != before
        raise KeyError
    assert dict(vars(Node)) == before


@pytest.mark.slow
def test_a_ray_that_is_not_up_in_time_is_started_again(folder, monkeypatch):
    start_raylet, tries = Node.start_raylet, []

    def start_second(self, *arguments, **options):
        tries.append(self)
        if len(tries) == 1:
            raise Exception('The current node timed out during startup.')
        start_raylet(self, *arguments, **options)
    monkeypatch.setattr(Node, 'start_raylet', start_second)
    before = set(children())

    with local_ray(1, folder, dashboard=False, say=print) as session:
        assert session.ray.get(session.ray.put(7)) == 7
        assert names(set(children()) - before).count('gcs_server') == 1

    assert len(tries) == 2 and not list(folder.iterdir())


def test_where_ray_cannot_be_started_the_reason_is_told_and_nothing_is_left(folder, monkeypatch):
    def fail(self, *arguments, **options):
        raise Exception('The current node timed out during startup.\nSee')
    monkeypatch.setattr(Node, 'start_raylet', fail)
    before, said = set(children()), []

    with pytest.raises(FleetError, match='4 times in a row; the last time: The current node timed '
                                         'out during startup. See$'):
        with local_ray(1, folder, dashboard=False, say=said.append):
            raise AssertionError

    _, left = psutil.wait_procs(set(children()) - before, timeout=PATIENCE_S)
    assert not left
    assert len(said) == 1 and said[0].startswith('what the workers and Ray wrote is in ')


@pytest.mark.slow
@pytest.mark.parametrize('part', ['gcs_server', 'raylet'])
def test_ctrl_c_while_ray_starts_leaves_neither_processes_nor_files(folder, part):
    code = ('import signal, sys\nfrom pathlib import Path\n'
            'from mtshare_ros.fleet.ray_session import local_ray\n'
            'signal.signal(signal.SIGINT, signal.default_int_handler)\n'
            'with local_ray(1, Path(sys.argv[1]), False, print): signal.pause()')
    driver = subprocess.Popen([sys.executable, '-c', code, str(folder)], text=True,
                              stderr=subprocess.PIPE, start_new_session=True)
    watched = psutil.Process(driver.pid)
    deadline = time.monotonic() + PATIENCE_S
    while part not in names(started := watched.children(recursive=True)):
        assert time.monotonic() < deadline
        time.sleep(0.01)

    os.kill(driver.pid, signal.SIGINT)

    assert driver.communicate(timeout=PATIENCE_S)[1].endswith('KeyboardInterrupt\n')
    _, left = psutil.wait_procs(started, timeout=PATIENCE_S)
    assert not left and not list(folder.iterdir())
