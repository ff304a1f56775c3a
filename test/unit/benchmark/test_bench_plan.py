"""Which frames the benchmark runs on."""

import pytest

from mtshare_ros.errors import ConfigError

pytest.importorskip('numba', reason='the rooms need the extra [rooms]')

from mtshare_ros.benchmark.bench_plan import look_at, render_stream, StreamPlan  # noqa: E402


def test_all_frames_asked_for_are_spread_over_the_six_rooms():
    plan = StreamPlan('static', 256, 8)

    assert sorted(plan.counts.values()) == [42, 42, 43, 43, 43, 43]
    assert plan.total == 256 + 6 * 8


def test_few_frames_stay_in_one_room():
    assert list(StreamPlan('pan', 40).counts.values()) == [40]


def test_a_room_begins_with_its_warm_up():
    [room] = render_stream(StreamPlan('drive', 3, 2, (48, 64)))

    assert len(room) == 5 and room[0].image.shape == (48, 64, 3)


def test_a_stream_is_described_by_how_far_and_how_much_it_changes():
    resting, turning = (look_at(StreamPlan(name, 17, 8, (120, 160)))
                        for name in ('static', 'pan-8'))

    assert resting.pixels < 1e-6 and turning.pixels > 1
    assert 0 < resting.changed < 0.4 < turning.changed <= 1


def test_the_pinhole_is_that_of_the_frames():
    plan = StreamPlan('static', 1, 0, (48, 64))
    [[frame]] = render_stream(plan)
    camera = plan.pinhole

    assert (camera.fx, camera.fy) == (frame.intrinsics[0, 0], frame.intrinsics[1, 1])
    assert (camera.cx, camera.cy) == (31.5, 23.5)


@pytest.mark.parametrize('change', [{'motion': 'fly'}, {'frames': 0}])
def test_what_cannot_be_filmed_is_refused(change):
    with pytest.raises(ConfigError, match=next(iter(change))):
        StreamPlan(**{'motion': 'static', **change})
