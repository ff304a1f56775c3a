"""Every token gets its turn, in compact tiles, evenly spread."""

from hypothesis import given, settings, strategies
import pytest
import torch

from mtshare_ros.errors import ConfigError
from mtshare_ros.sharing.plan import make_schedule, NoRefresh, overdue

GRID = (15, 20)


def oldest_of(schedules, frames, grid=GRID):
    """Run schedules one after another; return the greatest age seen in the frames of the last."""
    ages, frame, oldest = torch.zeros(grid[0] * grid[1], dtype=torch.int32), 0, 0
    for schedule in schedules:
        oldest = 0
        for _ in range(frames):
            ages = torch.where(schedule.due(frame, ages), 0, ages + 1)
            oldest, frame = max(oldest, int(ages.max())), frame + 1
    return oldest


def turns(period, grid=GRID):
    """Return what a round robin refreshes in each frame of a period, (period, rows, columns)."""
    schedule = make_schedule('round_robin', grid, period)
    fresh = torch.zeros(grid[0] * grid[1], dtype=torch.int32)
    return torch.stack([schedule.due(frame, fresh) for frame in range(period)]).view(-1, *grid)


@settings(max_examples=40, deadline=None)
@given(rows=strategies.integers(1, 20), columns=strategies.integers(1, 20),
       period=strategies.integers(1, 100))
def test_every_patch_has_one_turn_in_a_period(rows, columns, period):
    assert (turns(period, (rows, columns)).sum(dim=0) == 1).all()


@pytest.mark.parametrize('policy', ['round_robin', 'keyframe'])
@pytest.mark.parametrize('period', [1, 2, 7, 30, 300])
def test_no_token_waits_longer_than_the_period(policy, period):
    assert oldest_of([make_schedule(policy, GRID, period)], 2 * period + 3) < period


@pytest.mark.parametrize('policy', ['round_robin', 'keyframe'])
@pytest.mark.parametrize('periods', [(30, 7), (7, 30), (300, 1), (29, 30)])
def test_no_token_waits_longer_after_the_period_was_changed(policy, periods):
    schedules = [make_schedule(policy, GRID, period) for period in periods]

    assert oldest_of(schedules, 77) < periods[1]


@pytest.mark.parametrize('period', [1, 3, 7, 20, 30, 90])
def test_the_turns_are_spread_evenly(period):
    counts = turns(period).sum(dim=(1, 2))

    assert counts.max() <= 300 / period + 16
    even = 300 / period * torch.arange(1, period + 1)
    assert (counts.cumsum(0) - even).abs().max() <= 16


def test_a_turn_is_a_compact_tile():
    for turn in turns(30):
        places = turn.nonzero()
        if len(places):
            assert (places.max(dim=0).values - places.min(dim=0).values).max() < 4


def test_a_long_period_leaves_frames_without_refresh():
    assert (turns(90).sum(dim=(1, 2)) == 0).sum() == 90 - 20


def test_tiles_follow_each_other_in_raster_order():
    first_rows = [turn.nonzero()[0].tolist() for turn in turns(30) if turn.any()]

    assert first_rows == sorted(first_rows) and first_rows[0] == [0, 0]


def test_a_keyframe_takes_all_tokens_at_once():
    schedule = make_schedule('keyframe', GRID, 10)
    fresh = torch.zeros(300, dtype=torch.int32)

    counts = [int(schedule.due(frame, fresh).sum()) for frame in range(12)]

    assert counts == [300] + 9 * [0] + [300, 0]


def test_a_mask_may_be_changed_by_whoever_gets_it():
    schedule = make_schedule('keyframe', GRID, 10)
    schedule.due(0, torch.zeros(300)).fill_(False)

    assert schedule.due(0, torch.zeros(300)).all()


def test_without_refresh_nothing_is_due():
    schedule = make_schedule('none', GRID, 30)

    assert isinstance(schedule, NoRefresh)
    assert not schedule.due(0, torch.full((300,), 1000)).any()


def test_a_token_is_overdue_before_the_limit_has_passed():
    assert overdue(torch.tensor([0, 8, 9, 10]), 10).tolist() == [False, False, True, True]


@pytest.mark.parametrize('policy', ['round_robin', 'keyframe'])
def test_a_period_of_no_frames_is_refused(policy):
    with pytest.raises(ConfigError, match='refresh period is 0'):
        make_schedule(policy, GRID, 0)


def test_an_unknown_policy_is_refused_by_name():
    with pytest.raises(ConfigError, match="'sometimes'.*round_robin, keyframe and none"):
        make_schedule('sometimes', GRID, 30)
