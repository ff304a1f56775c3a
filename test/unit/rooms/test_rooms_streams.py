"""Videos and the benchmark's streams keep their promises."""

import itertools

import numpy as np
import pytest

from mtshare_ros.data.rooms.camera_paths import camera_path, MOTIONS
from mtshare_ros.data.rooms.motions import CAMERA_MOTIONS, KINDS
from mtshare_ros.data.rooms.renderer import LIVE, Renderer
from mtshare_ros.data.rooms.scene import make_room
from mtshare_ros.data.rooms.streams import (
    CHANGE_LEVEL,
    LEAST_STATIC_CHANGE,
    PATCH,
    STREAMS,
)
from mtshare_ros.data.rooms.video import RoomVideo
from mtshare_ros.data.rooms.views import clearance, split_seeds
from mtshare_ros.errors import ConfigError

SMALL = {'height': 60, 'width': 80}
SEEDS = STREAMS['static'].seeds


@pytest.fixture(scope='module')
def rooms():
    return {seed: make_room(seed) for seed in SEEDS}


def changed_share(video, index):
    """Return the share of patches that change between a frame and the next."""
    first, second = (video.frame(index + step).image.astype(float) for step in (0, 1))
    height, width = first.shape[0] // PATCH, first.shape[1] // PATCH
    difference = np.abs(second - first).mean(axis=-1)
    patches = difference.reshape(height, PATCH, width, PATCH).mean(axis=(1, 3))
    return float((patches > CHANGE_LEVEL).mean())


def test_there_is_one_stream_for_each_motion():
    assert tuple(STREAMS) == tuple(CAMERA_MOTIONS)
    assert MOTIONS == KINDS == tuple(STREAMS)[:4] == ('static', 'pan', 'drive', 'handheld')


@pytest.mark.parametrize('motion', STREAMS)
def test_a_stream_is_long_fast_and_of_the_test_split(motion):
    spec = STREAMS[motion]

    assert spec.frames >= 256 and spec.rate_hz == 30.0 and spec.split == 'test'
    assert len(set(spec.seeds)) >= 6 and all(seed in split_seeds('test') for seed in spec.seeds)


@pytest.mark.parametrize('motion', STREAMS)
def test_a_stream_has_the_full_noise(motion):
    video = STREAMS[motion].video(SEEDS[0], **SMALL)

    assert (video.sensor.shot, video.sensor.read) == (0.02, 0.006)


@pytest.mark.parametrize('motion', MOTIONS)
def test_a_mover_is_always_in_view(motion, rooms):
    renderer = Renderer(**SMALL, quality=LIVE)
    for seed, room in rooms.items():
        path = camera_path(room, motion, seed)
        moving = np.flatnonzero(room.primitives.mover >= 0)
        for index in range(0, STREAMS[motion].frames, 16):
            seen = renderer.render(room, path(index / 30.0), index / 30.0).seen
            assert np.isin(seen, moving).mean() > 0.01, (seed, index)


def test_in_the_static_stream_enough_of_the_image_changes():
    shares = []
    for seed in SEEDS:
        video = STREAMS['static'].video(seed, noise=0.0)
        shares += [changed_share(video, index) for index in range(3, 256, 50)]

    assert np.mean(shares) >= LEAST_STATIC_CHANGE


def test_a_room_outside_the_stream_is_refused_by_its_seed():
    with pytest.raises(ConfigError, match="room 5 is not part of the stream 'pan'"):
        STREAMS['pan'].video(5)


def test_the_static_camera_stands_still():
    path = camera_path(make_room(SEEDS[0]), 'static', SEEDS[0])

    assert np.array_equal(path(0.0).position, path(99.0).position)
    assert np.array_equal(path(0.0).rotation, path(99.0).rotation)


@pytest.mark.parametrize('motion', ['pan', 'drive', 'handheld'])
def test_a_moving_camera_moves_smoothly_for_an_hour(motion):
    path = camera_path(make_room(SEEDS[1]), motion, SEEDS[1])

    for start in (0.0, 3600.0):
        poses = [path(start + step / 30.0) for step in range(90)]
        steps = [np.linalg.norm(b.position - a.position) for a, b in itertools.pairwise(poses)]
        turns = [np.arccos(np.clip((np.trace(a.rotation.T @ b.rotation) - 1) / 2, -1, 1))
                 for a, b in itertools.pairwise(poses)]
        assert 0.0 < max(turns) < 0.05 and max(steps) < 0.02


@pytest.mark.parametrize('motion', MOTIONS)
def test_a_camera_never_enters_furniture(motion, rooms):
    for seed, room in rooms.items():
        path = camera_path(room, motion, seed)
        points = np.array([path(time).position[:2] for time in np.linspace(0.0, 120.0, 200)])
        assert clearance(room, points).min() > 0.05, seed


def test_a_rotation_is_a_rotation():
    pose = camera_path(make_room(SEEDS[2]), 'handheld', SEEDS[2])(1.3)

    assert np.allclose(pose.rotation @ pose.rotation.T, np.eye(3))
    assert np.linalg.det(pose.rotation) == pytest.approx(1.0)


def test_an_unknown_motion_is_refused_with_the_allowed_ones():
    with pytest.raises(ConfigError, match="'fly'.*static, pan, drive, handheld"):
        RoomVideo(seed=1, motion='fly', **SMALL)


def test_a_frame_is_the_same_whatever_was_asked_before():
    first, second = (RoomVideo(seed=7, motion='drive', **SMALL) for _ in range(2))
    second.frame(40)

    for name in ('image', 'depth', 'normals', 'labels', 'edges'):
        assert np.array_equal(getattr(first.frame(11), name), getattr(second.frame(11), name))


def test_a_frame_of_the_far_future_is_well_exposed():
    frame = RoomVideo(seed=7, motion='handheld', **SMALL).frame(30 * 3600)

    assert 20 < np.median(frame.image) < 235 and (frame.labels < 40).all()


def test_noise_makes_successive_frames_of_a_still_scene_differ():
    quiet, noisy = (RoomVideo(seed=SEEDS[0], motion='static', noise=noise, **SMALL)
                    for noise in (0.0, 1.0))

    still, moved = (np.abs(video.frame(1).image.astype(int) - video.frame(0).image)
                    for video in (quiet, noisy))

    assert np.median(still) == 0 and np.median(moved) >= 1


def test_the_benchmark_frame_has_the_documented_types():
    frame = RoomVideo(seed=7, motion='static', **SMALL).frame(0)

    found = {name: (getattr(frame, name).shape, getattr(frame, name).dtype.name)
             for name in ('image', 'depth', 'normals', 'labels', 'edges', 'intrinsics')}

    assert found == {
        'image': ((60, 80, 3), 'uint8'), 'depth': ((60, 80), 'float32'),
        'normals': ((60, 80, 3), 'float32'), 'labels': ((60, 80), 'uint8'),
        'edges': ((60, 80), 'bool'), 'intrinsics': ((3, 3), 'float64')}
