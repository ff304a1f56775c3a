"""Ending processes without orphans."""

import signal
import sys

import pytest
from waiting import PATIENCE_S, wait_until

from mtshare_ros.cli import node_process
from mtshare_ros.cli.node_process import ChildProcess, start_node, stop_all
from mtshare_ros.errors import MtshareError

STUBBORN = ('import signal, time\n'
            'signal.signal(signal.SIGINT, signal.SIG_IGN)\n'
            'signal.signal(signal.SIGTERM, signal.SIG_IGN)\n'
            'print("ready", flush=True)\n'
            'time.sleep(10_000)\n')


@pytest.fixture
def start(tmp_path):
    """Return a function that starts a Python program."""
    return lambda code: ChildProcess('program', [sys.executable, '-c', code], tmp_path)


def test_a_program_that_ignores_signals_is_killed(start, monkeypatch):
    monkeypatch.setattr(node_process, '_SIGNALS', (
        (signal.SIGINT, 0.1), (signal.SIGTERM, 0.1), (signal.SIGKILL, PATIENCE_S)))
    process = start(STUBBORN)
    wait_until(lambda: 'ready' in process.tail(), 'the program')
    stop_all([process])
    assert not process.is_running


def test_the_last_words_of_a_program_that_ended_are_told(start):
    process = start('import sys; print("the disk is full"); sys.exit(3)')
    wait_until(lambda: not process.is_running, 'its end')
    with pytest.raises(MtshareError, match='program ended with code 3; last lines:\nthe disk is'):
        process.check()


def test_a_node_that_ends_at_once_is_noticed(tmp_path):
    process = start_node('no_such_node', namespace='/x', parameters={}, folder=tmp_path)
    wait_until(lambda: not process.is_running, 'its end')
    with pytest.raises(MtshareError, match='No module named .mtshare_ros.nodes.no_such'):
        process.check()


def test_stopping_what_has_ended_is_harmless(start):
    process = start('')
    wait_until(lambda: not process.is_running, 'its end')
    stop_all([process])
    assert not process.is_running
