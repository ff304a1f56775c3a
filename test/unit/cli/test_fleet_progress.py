"""The progress of a fleet as lines and as a bar, and the options of commands with workers."""

import io
import re

import pytest

pytest.importorskip('typer', reason='the command line needs the extra [cli]')

from mtshare_ros.cli import fleet_options  # noqa: E402
from mtshare_ros.cli.fleet_progress import FleetBar, FleetLines, FleetProgress  # noqa: E402
from mtshare_ros.errors import ConfigError  # noqa: E402


class Clock:
    """A clock that is set by hand."""

    seconds = 100.0

    def __call__(self):
        return self.seconds


def described(total, *seconds_done_failures):
    clock = Clock()
    progress = FleetProgress(total, clock)
    for seconds, done, failures in seconds_done_failures:
        clock.seconds = 100.0 + seconds
        progress.update(done, failures)
    return progress.describe()


def test_frames_their_rate_the_end_and_failures_are_told():
    text = described(40_000, (0, 0, 0), (10, 1200, 2))

    assert re.fullmatch(
        r'1,200 of 40,000 frames, 120.0 frames/s, done at \d\d:\d\d, 2 failed', text)


def test_the_start_of_workers_and_what_earlier_runs_did_do_not_count_in_the_rate():
    text = described(None, (0, 500, 0), (30, 500, 0), (40, 600, 0))

    assert text == '600 frames, 10.0 frames/s'


def test_an_end_after_more_than_a_day_has_a_date():
    text = described(10_000_000, (0, 0, 0), (10, 10, 0))

    assert re.search(r'done at \w+ \d\d \w+, \d\d:\d\d$', text)


def test_before_the_first_frame_no_rate_is_told():
    assert described(300, (0, 0, 0), (9, 0, 1)) == '0 of 300 frames, 1 failed'


def test_before_a_recording_is_opened_the_line_says_what_is_waited_for():
    assert described(None, (0, 0, 0), (9, 0, 0)) == (
        'the workers start, and open the first recordings')
    assert described(None, (0, 0, 0), (9, 0, 1)) == '0 frames, 1 failed'


def test_the_total_grows_while_recordings_are_opened():
    progress = FleetProgress(None, Clock())
    progress.total(250)
    progress.total(500)
    progress.update(100)

    assert progress.describe() == '100 of 500 frames'


def test_without_a_terminal_lines_come_from_time_to_time(capsys):
    clock = Clock()
    lines = FleetLines(100, clock)
    for seconds in range(13):
        clock.seconds = 100.0 + seconds
        lines.update(seconds)

    printed = capsys.readouterr().err.splitlines()
    assert len(printed) == 2 and printed[0].startswith('mtshare: 5 of 100 frames, 1.0 frames/s')


def test_on_a_terminal_a_bar_shows_the_same():
    from rich.console import Console
    from rich.progress import BarColumn, Progress

    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100)
    with Progress(BarColumn(), '{task.description}', console=console) as bar:
        progress = FleetBar(None, bar)
        progress.total(80)
        progress.update(20, 1)

    assert '20 of 80 frames, 1 failed' in screen.getvalue()


def test_a_worker_cannot_have_one_and_a_half_gpus():
    with pytest.raises(ConfigError, match='--gpus-per-worker is 1.5; allowed is'):
        fleet_options.pool_options(workers=None, address=None, gpus=1.5, threads=1, device='auto')


@pytest.mark.parametrize('given, text', [
    ({'workers': 2}, '--workers is 2'), ({'threads': 1}, '--threads is 1'),
    ({'gpus': 0.5}, '--gpus-per-worker is 0.5'), ({'address': 'auto'}, '--address is auto')])
def test_options_of_workers_without_a_fleet_are_refused(given, text):
    none = {'workers': None, 'address': None, 'gpus': None, 'threads': None, 'device': 'auto'}
    with pytest.raises(ConfigError, match=f'{text}, but it is for the workers of a fleet; add'):
        fleet_options.fleet_of(False, **{**none, **given})


def test_an_address_in_the_environment_makes_no_fleet(monkeypatch):
    monkeypatch.setenv('RAY_ADDRESS', 'auto')
    assert fleet_options.fleet_of(False, None, 'auto', None, None, 'auto') is None
    assert fleet_options.fleet_of(True, None, 'auto', None, None, 'auto').address == 'auto'
