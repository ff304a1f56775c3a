"""Rates, figures and notices follow the clock they are given."""

import math

import pytest

from mtshare_ros.inference.map_outputs import METRIC_OUTPUTS
from mtshare_ros.inference.prediction import FrameStats
from mtshare_ros.nodes.notices import Notices
from mtshare_ros.nodes.perception.frame_statistics import FrameStatistics
from mtshare_ros.nodes.rates import RateLimiter, RateWatch, RecentValues, WINDOW_TICKS
from mtshare_ros.nodes.trials.node_bench import (
    measure_messages,
    measure_transport,
    TIMED_ENCODINGS,
)


class HandClock:
    """A clock that a test moves."""

    def __init__(self):
        self.now_s = 100.0

    def __call__(self):
        return self.now_s


class Paper:
    """A logger that keeps what it is told."""

    def __init__(self):
        self.lines = []

    def info(self, text):
        self.lines.append(text)

    warning = error = info


def computed(share, reason=''):
    """Return the statistics of a frame of depth alone, of which a share was computed."""
    return FrameStats(1.0, active={'depth': (share, share)}, macs=int(1000 * share),
                      dense_macs=1000, oldest_age={'depth': 7}, reset_reason=reason)


@pytest.mark.parametrize(('camera_hz', 'limit_hz', 'expected'), [
    (30, 20.0, 200), (30, 15.0, 150), (30, 40.0, 300), (30, 0.0, 300), (60, 7.0, 35),
])
def test_the_mean_rate_stays_at_the_limit(camera_hz, limit_hz, expected):
    limiter = RateLimiter()
    frames = expected if limit_hz == 0.0 else 10 * camera_hz if limit_hz > 10 else 5 * camera_hz

    taken = sum(limiter.allows(100 + index / camera_hz, limit_hz) for index in range(frames))

    assert taken == pytest.approx(expected, abs=1)


def test_after_a_pause_the_limiter_does_not_let_a_burst_through():
    limiter = RateLimiter()
    limiter.allows(0.0, 10.0)

    taken = [limiter.allows(60.0 + index * 0.01, 10.0) for index in range(5)]

    assert sum(taken) <= 2


def test_old_values_are_forgotten():
    clock = HandClock()
    values = RecentValues(clock)
    values.add(1000.0)

    clock.now_s += 60
    values.add(3.0)

    assert values.percentile(95) == 3.0


def test_without_values_a_percentile_is_not_a_number():
    assert math.isnan(RecentValues(HandClock()).percentile(50))


def test_the_rate_is_counted_from_the_gaps():
    clock = HandClock()
    values = RecentValues(clock)
    for _ in range(11):
        values.add(0.0)
        clock.now_s += 0.1

    assert values.rate_hz() == pytest.approx(10.0)


def test_every_frame_is_counted_as_what_became_of_it():
    statistics = FrameStatistics(HandClock())
    for _ in range(3):
        statistics.count('received')
    statistics.count('dropped')
    statistics.reject('rejected', 'too short')
    statistics.compute(inference_ms=8.0, stats=computed(1.0))
    statistics.publish(age_ms=12.0)

    summary = statistics.summary()

    counters = {name: summary[name] for name in statistics.COUNTERS}
    assert counters == {'received': '3', 'processed': '1', 'carried': '0', 'not_carried': '0',
                        'dropped': '1', 'skipped': '0', 'rejected': '1', 'failed': '0'}
    assert (summary['age_ms_p95'], summary['inference_ms_p50']) == ('12.0', '8.0')
    assert summary['computed'] == 'depth'


def test_the_savings_are_those_of_the_recent_frames():
    clock = HandClock()
    statistics = FrameStatistics(clock)
    statistics.compute(inference_ms=1.0, stats=computed(1.0, reason='activated'))
    clock.now_s += 60

    for share in (0.1, 0.3):
        statistics.compute(inference_ms=1.0, stats=computed(share))

    summary = statistics.summary()
    assert (summary['active_fraction'], summary['macs_saved_percent']) == ('0.200', '80.0')
    assert (summary['resets'], summary['last_reset']) == ('1', 'activated')
    assert summary['oldest_token_age'] == '7'


def test_a_frame_without_inference_leaves_the_savings_as_they_are():
    statistics = FrameStatistics(HandClock())
    statistics.compute(inference_ms=1.0, stats=computed(0.5))

    statistics.compute(inference_ms=0.0, stats=FrameStats(0.0))

    assert statistics.summary()['active_fraction'] == '0.500'


def test_an_error_is_recent_for_a_while_and_last_for_ever():
    clock = HandClock()
    statistics = FrameStatistics(clock)
    statistics.reject('failed', 'broken')

    recent = statistics.recent_error
    clock.now_s += 60

    assert (recent, statistics.recent_error, statistics.last_error) == ('broken', '', 'broken')


def test_a_severe_fault_is_severe_for_a_while():
    clock = HandClock()
    statistics = FrameStatistics(clock)
    statistics.fault('retried')
    harmless = statistics.severe_error
    statistics.fault('not a number', severe=True)
    severe = statistics.severe_error
    clock.now_s += 60

    assert (harmless, severe, statistics.severe_error) == ('', 'not a number', '')


def test_an_unknown_age_is_left_out_and_the_frame_counted():
    statistics = FrameStatistics(HandClock())
    statistics.compute(inference_ms=1.0, stats=computed(1.0))
    statistics.publish(age_ms=math.nan)
    statistics.compute(inference_ms=1.0, stats=computed(1.0))
    statistics.publish(age_ms=7.0)

    summary = statistics.summary()

    assert (summary['age_ms_p95'], summary['processed']) == ('7.0', '2')


def test_the_last_reasons_of_resets_are_kept():
    statistics = FrameStatistics(HandClock())
    for number in range(7):
        stats = computed(1.0, reason=f'reason {number}')
        statistics.compute(inference_ms=1.0, stats=stats)

    summary = statistics.summary()

    assert (summary['resets'], summary['last_reset']) == ('7', 'reason 6')
    assert summary['recent_resets'] == '; '.join(f'reason {number}' for number in range(2, 7))


def test_a_repeated_warning_is_said_once_in_a_while():
    clock, paper = HandClock(), Paper()
    notices = Notices(paper, repeat_after_s=10.0, clock=clock)
    for _ in range(25):
        notices.warn('image', 'too short')
        clock.now_s += 1

    assert len(paper.lines) == 3


def test_another_warning_is_said_at_once():
    paper = Paper()
    notices = Notices(paper, clock=HandClock())

    notices.warn('short', 'too short')
    notices.warn('long', 'too long')

    assert paper.lines == ['too short', 'too long']


def test_a_state_is_said_when_it_changes():
    paper = Paper()
    notices = Notices(paper, clock=HandClock())

    for text in ('idle', 'idle', '', 'idle', 'busy'):
        notices.state('work', text)

    assert paper.lines == ['idle', 'idle', 'busy']


def test_a_source_that_cannot_keep_its_rate_is_complained_of_once():
    watch = RateWatch(30.0)

    complaints = [watch.note(published=tick % 2 == 0) for tick in range(4 * WINDOW_TICKS)]

    assert [text for text in complaints if text] == [
        'cannot keep 30.0 Hz, 15.0 Hz are reached']


def test_a_source_that_keeps_its_rate_is_not_complained_of():
    watch = RateWatch(30.0)

    assert not any(watch.note(published=True) for _ in range(4 * WINDOW_TICKS))


def test_the_message_bench_times_every_way_to_rgb_and_every_image_output():
    names = [timing.name for timing in measure_messages(height=16, width=16, repeats=2)]
    names += [timing.name for timing in measure_transport(height=16, width=16, repeats=2)]

    assert {f'read {name}' for name in TIMED_ENCODINGS} <= set(names)
    assert {'fill normals/image', 'deserialize rgb8'} <= set(names)
    assert len(names) == len(TIMED_ENCODINGS) + sum(row.is_map for row in METRIC_OUTPUTS) + 2
