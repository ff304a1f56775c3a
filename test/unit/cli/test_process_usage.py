"""What a process takes of the machine."""

import os
import subprocess
import sys
import threading

import pytest

from mtshare_ros.cli.soak_record import UsageLog

psutil = pytest.importorskip('psutil', reason='soak tests need the extra [cli]')


def test_a_thread_and_an_open_file_are_counted(tmp_path):
    before = usage_of(os.getpid())
    goes_on = threading.Event()
    thread = threading.Thread(target=goes_on.wait)
    thread.start()
    with (tmp_path / 'file').open('w'):
        during = usage_of(os.getpid())
    goes_on.set()
    thread.join()

    assert during.memory_mb == pytest.approx(before.memory_mb, rel=0.1)
    assert during.threads == before.threads + 1
    assert during.descriptors == before.descriptors + 1


def test_a_process_that_has_ended_takes_nothing():
    process = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE)
    log = UsageLog(process.pid)
    process.stdin.close()
    psutil.wait_procs([psutil.Process(process.pid)], timeout=30)
    log.sample()
    process.wait()
    log.sample()

    assert log.samples == []


def test_samples_keep_their_distance():
    times_s = iter((10.0, 10.0, 10.1, 10.4, 10.5, 10.9, 11.0))
    log = UsageLog(os.getpid(), clock=lambda: next(times_s))
    for _ in range(6):
        log.sample()

    assert [item.at_s for item in log.samples] == [0.0, 0.5, 1.0]


def usage_of(pid):
    """Return one sample."""
    log = UsageLog(pid)
    log.sample()
    return log.samples[0]
