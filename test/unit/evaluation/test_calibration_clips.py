"""The clips that thresholds are calibrated on."""

import numpy as np
import pytest

pytest.importorskip('numba', reason='the rooms need the extra [rooms]')

from mtshare_ros.data.rooms.camera_paths import MOTIONS  # noqa: E402
from mtshare_ros.data.rooms.views import split_seeds, validation_views  # noqa: E402
from mtshare_ros.errors import ConfigError  # noqa: E402
from mtshare_ros.evaluation.room_data import (  # noqa: E402
    NOISE_STEP,
    plan_clips,
    render_clips,
)


def test_every_motion_takes_its_turn():
    plan = plan_clips(6, 3)
    for specs in (plan.calibration, plan.held_out):
        assert [spec.motion for spec in specs] == [*MOTIONS, *MOTIONS][:6]


def test_only_validation_rooms_are_used_and_none_twice():
    seeds = [spec.seed for spec in plan_clips(40, 3).specs]
    assert len(set(seeds)) == 80
    assert all(seed in split_seeds('validation') for seed in seeds)


def test_rooms_that_trainings_are_watched_on_are_left_alone():
    watched = {view.room_seed for view in validation_views()}
    assert not watched & {spec.seed for spec in plan_clips(100, 3).calibration}


@pytest.mark.parametrize('rooms', [0, 10**6])
def test_more_rooms_than_there_are_is_refused(rooms):
    with pytest.raises(ConfigError, match=f'rooms is {rooms}; allowed is 1 to'):
        plan_clips(rooms, 3)


def test_films_have_the_asked_size_and_length_and_move():
    done = []
    specs = plan_clips(2, 3).calibration
    clips = render_clips(specs, frames=3, size=(48, 64), progress=done.append)
    assert [clip.spec for clip in clips] == list(specs)
    assert all(image.shape == (48, 64, 3) for clip in clips for image in clip.images)
    assert done == [1, 2, 3, 4, 5, 6]
    assert not np.array_equal(clips[0].images[0], clips[0].images[2])


def test_some_images_come_again_with_other_noise_and_nothing_else():
    plan = plan_clips(1, NOISE_STEP + 1)
    clip, = render_clips(plan.calibration, frames=plan.frames, size=(48, 64))
    assert len(clip.again) == plan.noisy_frames == 2
    for image, again in zip(clip.images[::NOISE_STEP], clip.again):
        difference = np.abs(image.astype(int) - again)
        assert 0 < difference.mean() < 10
