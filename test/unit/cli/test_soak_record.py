"""The verdict of a soak: what is flat, what grows, what was promised."""

from dataclasses import dataclass, replace
import os
import subprocess
import sys
import threading

import pytest
from waiting import PATIENCE_S

from mtshare_ros.cli.soak_record import (
    after_warm_up,
    as_values,
    by_fault,
    judge,
    SoakRecord,
    Usage,
    UsageLog,
)

NAN = float('nan')


@dataclass(frozen=True)
class Outcome:
    """Stands for nodes.soak_stage.Outcome, which needs ROS 2."""

    at_s: float = 0.0
    name: str = 'burst'
    choice: str = '60 Hz'
    recovery_s: float = 0.2
    device_memory_mb: float = NAN
    problems: tuple[str, ...] = ()

    @property
    def came_back(self):
        return self.recovery_s == self.recovery_s


def usage(seconds, memory=lambda at: 400.0, threads=lambda at: 18):
    """Return a sample for each half second."""
    return tuple(Usage(at / 2, memory(at / 2), threads(at / 2), 23) for at in range(2 * seconds))


def record(**changes):
    """Return the record of a minute in which all went well."""
    return replace(SoakRecord(
        seed=0, model='default', device='cpu', elapsed_s=60.0, outcomes=(Outcome(),),
        usage=usage(60), status_ok=True, status='running', diagnostics={}, lowest_age_ms=3.0,
        strange_stamps=0, tracebacks=0, ending='', exit_code=0), **changes)


def broken(made):
    return [item.name for item in judge(made) if not item.holds]


def test_a_soak_without_fault_holds():
    assert not broken(record())


@pytest.mark.parametrize('change, name', [
    ({'outcomes': (Outcome(recovery_s=NAN),)}, 'outputs back after a fault'),
    ({'outcomes': ()}, 'outputs back after a fault'),
    ({'outcomes': (Outcome(problems=('x',)),)}, 'wrong responses to faults'),
    ({'lowest_age_ms': -0.1}, 'lowest age of an output'),
    ({'lowest_age_ms': NAN}, 'lowest age of an output'),
    ({'strange_stamps': 1}, 'outputs with a stamp that no image had'),
    ({'tracebacks': 1}, "tracebacks in the node's log"),
    ({'status_ok': False}, 'diagnostics at the end'),
    ({'ending': 'perception_node ended with code -11'}, 'the process'),
    ({'exit_code': 1}, 'the process'),
])
def test_a_broken_promise_is_named(change, name):
    assert broken(record(**change)) == [name]


def test_memory_may_grow_while_the_node_warms_up():
    assert not broken(record(usage=usage(60, memory=lambda at: 200 + 10 * min(at, 20.0))))


def test_of_a_long_soak_the_first_minute_is_the_warm_up():
    taken = usage(600, memory=lambda at: 200.0 if at < 60 else 400.0)

    assert after_warm_up(taken)[0].at_s == 60.0
    assert not broken(record(usage=taken))


def test_a_leak_after_the_warm_up_is_found():
    assert broken(record(usage=usage(60, memory=lambda at: 400 + 3 * at))) == ['memory, MB']


def test_the_peak_of_a_moment_is_no_leak():
    taken = usage(60, memory=lambda at: 900.0 if at % 10 < 2 else 400.0)

    assert not broken(record(usage=taken))


def test_a_thread_more_than_at_first_is_found():
    taken = usage(60, threads=lambda at: 18 if at < 50 else 19)

    assert broken(record(usage=taken)) == ['threads']


def test_a_thread_less_for_a_while_is_allowed():
    assert not broken(record(usage=usage(60, threads=lambda at: 17 if 40 < at < 50 else 18)))


def test_memory_that_is_given_back_is_no_fault():
    taken = usage(60, memory=lambda at: 300.0 if 25 < at < 35 or at > 45 else 400.0)

    assert not broken(record(usage=taken))


def test_too_few_samples_are_no_proof():
    assert broken(record(usage=usage(60)[:9])) == ['memory, MB', 'threads', 'open files']


def test_the_memory_of_a_gpu_is_judged_where_there_is_one():
    flat = tuple(Outcome(device_memory_mb=900.0) for _ in range(20))
    growing = tuple(Outcome(device_memory_mb=900.0 + 50 * number) for number in range(20))

    assert not broken(record(outcomes=flat))
    assert broken(record(outcomes=growing)) == ['memory of the device, MB']


def test_outcomes_are_gathered_by_fault():
    outcomes = [Outcome(name='pause'), Outcome(), Outcome(name='pause')]

    assert {name: len(some) for name, some in by_fault(outcomes).items()} == {
        'burst': 1, 'pause': 2}


def test_the_file_holds_the_verdict():
    values = as_values(record(tracebacks=2))

    assert values['holds'] is False
    assert {item['name'] for item in values['criteria'] if not item['holds']} == {
        "tracebacks in the node's log"}
    assert values['usage'][0]['memory_mb'] == 400.0


def test_a_thread_and_an_open_file_are_counted(tmp_path):
    pytest.importorskip('psutil', reason='soak tests need the extra [cli]')
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
    psutil = pytest.importorskip('psutil', reason='soak tests need the extra [cli]')
    process = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE)
    log = UsageLog(process.pid)
    process.stdin.close()
    psutil.wait_procs([psutil.Process(process.pid)], timeout=PATIENCE_S)
    log.sample()
    process.wait()
    log.sample()

    assert log.samples == []


def test_samples_keep_their_distance():
    pytest.importorskip('psutil', reason='soak tests need the extra [cli]')
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
