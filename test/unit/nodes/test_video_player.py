"""Frames of a recording are shown when they are due; late ones are left out, not delayed."""

import pytest

from mtshare_ros.nodes.video_camera.player import VideoPace


class Clock:
    """A clock that goes on when somebody waits or works."""

    def __init__(self):
        self.now_s = 100.0

    def __call__(self):
        return self.now_s

    def advance(self, seconds):
        self.now_s += seconds


def play(count, *, work=lambda number: 0.0, rate_hz=0.0, period_s=0.1):
    """Play a recording whose frames take some work; return what was shown and when."""
    clock = Clock()
    pace = VideoPace(rate_hz, clock)
    shown = {}
    for number in range(count):
        clock.advance(work(number))
        clock.advance(pace.wait_s(number * period_s))
        if pace.is_shown():
            shown[number] = round(clock.now_s - 100.0, 6)
    return shown, pace


def test_frames_keep_the_times_of_the_recording():
    shown, pace = play(5, work=lambda number: 0.03)

    assert [round(later - shown[0], 6) for later in shown.values()] == [0, 0.1, 0.2, 0.3, 0.4]
    assert pace.lags == 0


def test_a_rate_replaces_the_times_of_the_recording():
    shown, _ = play(4, rate_hz=50.0)

    assert list(shown.values()) == [0, 0.02, 0.04, 0.06]


def test_after_a_pause_frames_are_left_out_until_it_is_made_up_for():
    shown, pace = play(20, work=lambda number: 0.55 if number == 5 else 0.001)

    assert set(range(5)) < set(shown) and 7 not in shown and shown[19] < 1.95
    assert pace.lags == 0


def test_where_reading_is_too_slow_every_frame_is_shown():
    shown, pace = play(30, work=lambda number: 0.2)

    assert len(shown) == 30 and pace.lags > 0


def test_a_recording_that_begins_anew_follows_its_own_end():
    clock = Clock()
    pace = VideoPace(0.0, clock)
    times = []
    for _ in range(2):
        for number in range(3):
            clock.advance(pace.wait_s(7.0 + number * 0.1))
            times.append(round(clock.now_s - 100.0, 6))
        pace.begin_anew()

    assert times == [0, 0.1, 0.2, 0.3, 0.4, 0.5]


@pytest.mark.parametrize(('rate_hz', 'expected'), [(0.0, 0.5), (4.0, 0.25)])
def test_a_lone_picture_is_shown_at_leisure_again_and_again(rate_hz, expected):
    pace = VideoPace(rate_hz, Clock())
    pace.wait_s(0.0)
    pace.begin_anew()

    assert pace.wait_s(0.0) == expected
