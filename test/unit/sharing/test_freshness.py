"""No row gets older than it may, whichever way it is refreshed."""

from clips import camera, KINDS, room_clip
import numpy as np
import pytest

from mtshare_ros.sharing.frame_work import REFRESHED
from mtshare_ros.tasks import DEFAULT_TASKS


class Ages:
    """Frames since every row of a task was refreshed, counted from the maps of activity."""

    def __init__(self) -> None:
        self.oldest, self._ages = 0, {}

    def note(self, stats) -> None:
        for task, marks in stats.activity.items():
            ages = self._ages.get(task, 0) + 1
            whole = min(stats.active[task]) == 1
            self._ages[task] = np.where((marks == REFRESHED) | whole, 0, ages)
            self.oldest = max(self.oldest, int(self._ages[task].max()))


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('policy, period', [
    ('round_robin', 1), ('round_robin', 3), ('round_robin', 7), ('round_robin', 20),
    ('keyframe', 5)])
def test_no_token_gets_older_than_the_refresh_period(policy, period, kind):
    seen, ages = camera(policy=policy, refresh_period=period, block=kind), Ages()
    for frame in room_clip('drive', noise=1.0):
        stats = seen.see(frame).stats
        ages.note(stats)
        assert max(stats.oldest_age.values()) <= period
    assert ages.oldest <= period


def test_no_token_gets_older_than_a_period_that_was_shortened():
    seen = camera(refresh_period=40)
    clip = room_clip('drive', noise=1.0)
    for frame in clip[:30]:
        seen.see(frame)
    seen.use(DEFAULT_TASKS, refresh_period=6)
    for frame in clip[30:]:
        assert max(seen.see(frame).stats.oldest_age.values()) <= 6


@pytest.mark.parametrize('kind', KINDS)
def test_tokens_of_a_task_that_comes_and_goes_are_never_too_old(kind):
    seen = camera(refresh_period=6, block=kind)
    for number, frame in enumerate(room_clip('drive', noise=1.0)):
        tasks = DEFAULT_TASKS if number % 11 < 4 else ('semseg', 'edge')
        seen.use(tasks, refresh_period=6, block=kind)
        assert max(seen.see(frame).stats.oldest_age.values()) <= 6


def test_no_token_gets_older_than_the_largest_age_while_a_latency_target_is_active():
    seen, ages = camera(refresh_period=5, max_age=12, latency_target_ms=1e-3), Ages()
    late = False
    for frame in room_clip('drive', noise=1.0):
        stats = seen.see(frame).stats
        ages.note(stats)
        late |= max(stats.oldest_age.values()) > 5
        assert max(stats.oldest_age.values()) <= 12
    assert late and ages.oldest <= 12  # the target cannot be met, so freshness is what gives
