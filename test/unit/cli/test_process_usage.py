"""What a process takes, read from /proc."""

import os
from pathlib import Path
import subprocess
import sys
import threading

import pytest

from mtshare_ros.cli.process_usage import read_usage, require_proc, UsageLog

psutil = pytest.importorskip('psutil', reason='psutil is the second opinion')
if not Path('/proc/self/status').exists():
    pytest.skip('the system has no /proc', allow_module_level=True)


def test_the_figures_are_those_of_psutil():
    require_proc()
    process = psutil.Process()

    usage = read_usage(os.getpid())

    assert usage.memory_mb == pytest.approx(process.memory_info().rss / 2**20, rel=0.1)
    assert (usage.threads, usage.descriptors) == (process.num_threads(), process.num_fds())


def test_a_thread_and_an_open_file_are_counted(tmp_path):
    before = read_usage(os.getpid())
    goes_on = threading.Event()
    thread = threading.Thread(target=goes_on.wait)
    thread.start()
    with (tmp_path / 'file').open('w'):
        during = read_usage(os.getpid())
    goes_on.set()
    thread.join()

    assert during.threads == before.threads + 1
    assert during.descriptors == before.descriptors + 1


def test_a_process_that_has_ended_takes_nothing():
    process = subprocess.Popen([sys.executable, '-c', ''])
    psutil.wait_procs([psutil.Process(process.pid)], timeout=30)
    process.wait()

    assert read_usage(process.pid) is None


def test_samples_keep_their_distance():
    times_s = iter((10.0, 10.0, 10.1, 10.4, 10.5, 10.9, 11.0))
    log = UsageLog(os.getpid(), clock=lambda: next(times_s))
    for _ in range(6):
        log.sample()

    assert [item.at_s for item in log.samples] == [0.0, 0.5, 1.0]
