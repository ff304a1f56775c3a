"""The films of rooms that sharing is measured on."""

import numpy as np
import pytest

from mtshare_ros.data.rooms.streams import STREAMS
from mtshare_ros.data.rooms.video import RoomVideo
from mtshare_ros.data.rooms.views import split_seeds, validation_views
from mtshare_ros.errors import ConfigError
from mtshare_ros.evaluation.room_data import changed_share, plan_clips, room_clips, RoomClip


def test_the_motions_take_turns_unless_one_is_named():
    assert [clip.motion for clip in room_clips('validation')] == [
        'static', 'pan', 'drive', 'handheld'] * 2
    assert {clip.motion for clip in room_clips('validation', 'drive')} == {'drive'}


def test_validation_clips_are_held_apart_from_training_and_calibration():
    seeds = {clip.seed for clip in room_clips('validation')}

    assert len(seeds) == 8 and all(seed in split_seeds('validation') for seed in seeds)
    assert not seeds & {view.room_seed for view in validation_views()}
    assert max(seeds) < min(spec.seed for spec in plan_clips(100, 2).calibration)


def test_test_clips_are_rooms_of_the_benchmark():
    assert {clip.seed for clip in room_clips('test', 'pan')} == set(STREAMS['pan'].seeds)


@pytest.mark.parametrize('words, complaint', [
    ({'split': 'train'}, "split is 'train'; allowed is one of validation, test"),
    ({'motion': 'fly'}, "motion is 'fly'; allowed is one of static, pan"),
    ({'count': 9}, 'count is 9; allowed is 1 to 8'),
    ({'frames': 1}, 'frames is 1; allowed is 2 or more'),
])
def test_clips_that_are_not_there_are_refused(words, complaint):
    with pytest.raises(ConfigError, match=complaint):
        room_clips(**{'split': 'validation', **words})


def test_a_clip_of_a_room_shows_what_its_video_shows_and_what_changed_without_noise():
    pytest.importorskip('numba', reason='the rooms need the extra [rooms]')
    film = list(RoomClip(1_000_500, 'static', 5).frames((48, 64)))
    noisy, clean = (RoomVideo(seed=1_000_500, motion='static', height=48, width=64, noise=noise)
                    for noise in (1.0, 0.0))

    assert np.array_equal(film[4].truth.image, noisy.frame(4).image)
    assert film[0].changed is None
    assert film[4].changed == changed_share(clean.frame(3).image, clean.frame(4).image)


def test_a_patch_has_changed_when_its_mean_differs_by_more_than_four():
    first = np.zeros((32, 48, 3), np.uint8)
    second = first.copy()
    second[:16, :16] = 5
    second[16:, :16] = 4
    second[0, 16:32] = 60  # one row of sixteen: 3.75 on average

    assert changed_share(first, second) == pytest.approx(1 / 6)
