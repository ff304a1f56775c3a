"""A pool of this machine ends with its driver, however that ends, and leaves nothing behind."""

import os
from pathlib import Path
import signal
import subprocess
import sys
import tempfile

import psutil
import pytest
from waiting import PATIENCE_S, wait_until

from mtshare_ros.fleet.ray_folder import ray_folder

pytest.importorskip('ray', reason='ray is not installed: pip install -e ".[fleet]"')

DRIVER = """
from pathlib import Path
import signal
import sys
import time

from mtshare_ros.fleet.pool import Pool, PoolOptions, Task

# a shell's background job, which a test may be, is deaf to SIGINT
signal.signal(signal.SIGINT, signal.default_int_handler)


def make_worker(report):
    class Worker:
        def work(self):
            report('frames', 1)
            while True:
                sum(range(1_000_000))
    return Worker()


def progress(amount):
    if amount == 2:
        print('working', flush=True)


with Pool(PoolOptions(workers=2, temp_folder=Path(sys.argv[1])), make_worker) as pool:
    for number in range(2):
        pool.submit(Task(number, 'work'))
    for done in pool.finished(progress):
        print(done)
"""

AGENTS = ('ray::DashboardAgent', 'ray::RuntimeEnvAgent')
"""Ray's own agents try for a minute to report the death of the others, then end as well."""


@pytest.fixture
def folder():
    with tempfile.TemporaryDirectory(prefix='pool', dir='/tmp') as folder:
        yield Path(folder)


@pytest.fixture
def driver(folder, tmp_path):
    """
    Start a driver whose workers compute; return its process, in a session of its own.

    It runs in a folder with a module that workers must not take for PyTorch.
    """
    driver_file = tmp_path / 'driver.py'
    driver_file.write_text(DRIVER)
    (tmp_path / 'there').mkdir()
    (tmp_path / 'there' / 'torch.py').write_text('raise SystemExit("not PyTorch")')
    process = subprocess.Popen([sys.executable, driver_file, str(folder)], text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               start_new_session=True, cwd=tmp_path / 'there')
    assert process.stdout.readline() == 'working\n', process.stderr.read()
    yield process
    for left in processes_of(process):
        left.kill()
    process.communicate()


def processes_of(driver):
    """Return the processes that a driver started, directly or not, and that have not ended."""
    found = []
    for process in psutil.process_iter():
        try:
            own = os.getsid(process.pid) == driver.pid and process.pid != driver.pid
            if own and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.Error, ProcessLookupError):
            continue
    return found


@pytest.mark.slow
@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_driver_and_leaves_neither_processes_nor_files(driver, folder, number):
    assert len(processes_of(driver)) > 2
    os.killpg(driver.pid, number)  # as a terminal does, and systemd

    errors = driver.communicate(timeout=PATIENCE_S)[1]

    assert driver.returncode != 0
    assert not errors or errors.endswith('KeyboardInterrupt\n')
    assert not list(folder.iterdir())
    wait_until(lambda: not processes_of(driver), 'the end of the processes of Ray')


@pytest.mark.slow
def test_a_driver_that_is_killed_takes_its_workers_along_and_the_next_its_files(driver, folder):
    driver.kill()
    driver.wait()

    wait_until(
        lambda: not [left for left in processes_of(driver) if left.name() not in AGENTS],
        'the end of the workers', pause_s=0.1)
    with ray_folder(folder, print) as own:
        assert list(folder.iterdir()) == [own.path]


@pytest.mark.slow
def test_where_ray_itself_is_killed_the_driver_says_so(driver):
    next(each for each in processes_of(driver) if each.name() == 'raylet').kill()

    errors = driver.communicate(timeout=PATIENCE_S)[1]

    assert 'FleetError: Ray on this machine has ended' in errors
