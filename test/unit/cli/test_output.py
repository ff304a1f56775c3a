"""Progress is shown on the terminal and in log files; a request to stop is noted."""

import io
import os
import re
import signal
import sys

import pytest

pytest.importorskip('typer', reason='the command line needs the extra [cli]')

from mtshare_ros.cli.output import (  # noqa: E402
    progress_bar,
    ProgressLines,
    StopRequest,
    warn,
)


class Clock:
    """A clock that is set by hand."""

    seconds = 100.0

    def __call__(self):
        return self.seconds


def lines_after(capsys, total, seconds_and_done):
    clock = Clock()
    lines = ProgressLines('computing', total, clock)
    for seconds, done in seconds_and_done:
        clock.seconds = 100.0 + seconds
        lines.update(done)
    return capsys.readouterr().err.splitlines()


def test_a_short_job_says_nothing(capsys):
    assert lines_after(capsys, 9, [(0.5 * n, n) for n in range(9)]) == []


def test_a_line_says_how_many_are_done_and_how_long_the_others_take(capsys):
    assert lines_after(capsys, 40, [(1, 1), (6, 10), (7, 11)]) == [
        'mtshare: computing: 10 of 40 done in 6 s, about 18 s left']


def test_what_an_interrupted_run_has_done_does_not_count_for_the_time_left(capsys):
    assert lines_after(capsys, 140, [(1, 101), (6, 110)]) == [
        'mtshare: computing: 110 of 140 done in 6 s, about 18 s left']


@pytest.mark.parametrize('total', [None, 0])
def test_without_a_known_end_the_line_says_what_is_done(capsys, total):
    assert lines_after(capsys, total, [(8, 3)]) == ['mtshare: computing: 3 done in 8 s']


def test_a_long_job_has_a_line_a_minute_at_least(capsys):
    lines = lines_after(capsys, 7200, [(second, second) for second in range(7201)])

    assert 7200 / 60 <= len(lines) < 7200 / 60 + 20
    assert lines[-1].startswith('mtshare: computing: 71')


def test_no_terminal_gets_lines_instead_of_a_bar(capsys, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(ProgressLines.__init__, '__defaults__', (clock,))
    with progress_bar('computing', 2) as progress:
        clock.seconds += 60
        progress(1)

    assert 'computing: 1 of 2 done in 60 s' in capsys.readouterr().err


class Terminal(io.TextIOWrapper):
    """A stream that takes itself for a terminal, with bytes below its text as a real one has."""

    def isatty(self):
        return True


def test_a_line_on_a_terminal_appears_above_the_bar(monkeypatch):
    screen = io.BytesIO()
    monkeypatch.setenv('TERM', 'xterm')
    monkeypatch.setattr(sys, 'stderr', Terminal(screen, encoding='utf-8'))

    with progress_bar('computing', 3) as progress:
        progress(1)
        warn('a recording is damaged')

    line_of_its_own = r'\r\x1b\[2Kmtshare: a recording is damaged *\r?\n'
    assert re.search(line_of_its_own, screen.getvalue().decode())


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_noted_without_an_exception(number):
    with StopRequest() as stop:
        assert not stop.requested
        os.kill(os.getpid(), number)
    assert stop.requested


def test_the_former_handlers_come_back():
    before = signal.getsignal(signal.SIGINT)
    with StopRequest():
        assert signal.getsignal(signal.SIGINT) != before
    assert signal.getsignal(signal.SIGINT) == before
