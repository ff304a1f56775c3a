"""The streams of fast cameras keep the speed of their name, past texture that is fixed."""

import itertools

import numpy as np
import pytest

from mtshare_ros.data.rooms import paced_paths as paces
from mtshare_ros.data.rooms.camera_paths import camera_path
from mtshare_ros.data.rooms.motions import camera_motion, CAMERA_MOTIONS, HARDER, PLAIN
from mtshare_ros.data.rooms.room_frame import image_motion, median_motion, Pose
from mtshare_ros.data.rooms.scene import make_room
from mtshare_ros.data.rooms.streams import STREAMS
from mtshare_ros.data.rooms.video import RoomVideo
from mtshare_ros.data.rooms.views import clearance
from mtshare_ros.evaluation.room_data import changed_share

SMALL = {'height': 60, 'width': 80}
ROOMS = STREAMS['pan-4'].seeds[:3]
IN_PIXELS = [name for name, motion in HARDER.items() if motion.kind in ('pan', 'handheld')]
DRIVES = [name for name, motion in HARDER.items() if motion.kind == 'drive']


def film(name, seed, count, **options):
    video = RoomVideo(seed=seed, motion=name, **{**SMALL, **options})
    return [video.frame(index) for index in range(count)]


@pytest.mark.parametrize('name', IN_PIXELS)
def test_the_image_moves_by_as_many_pixels_as_the_name_says(name):
    wanted = CAMERA_MOTIONS[name].speed
    for seed in ROOMS:
        frames = film(name, seed, paces.PACE_FRAMES)
        moved = [median_motion(a.depth, a.intrinsics, a.pose, b.pose)
                 for a, b in itertools.pairwise(frames)]
        mean = np.mean(moved) * paces.PACE_WIDTH / SMALL['width']
        assert mean == pytest.approx(wanted, rel=0.12), seed


@pytest.mark.parametrize('name', DRIVES)
def test_a_drive_has_the_metres_a_second_that_its_name_says(name):
    for seed in STREAMS[name].seeds:
        path = paces.path_of(make_room(seed), camera_motion(name))
        points = np.array([path(number / 30.0).position for number in range(paces.PACE_FRAMES)])
        speed = np.linalg.norm(np.diff(points, axis=0), axis=1).mean() * 30.0
        assert speed == pytest.approx(CAMERA_MOTIONS[name].speed, rel=0.05), seed


@pytest.mark.parametrize('name', DRIVES)
def test_a_long_drive_never_enters_furniture(name):
    for seed in STREAMS[name].seeds:
        room = make_room(seed)
        path = paces.path_of(room, camera_motion(name))
        points = np.array([path(time).position[:2] for time in np.linspace(0.0, 60.0, 200)])
        assert clearance(room, points).min() > 0.05, seed


@pytest.mark.parametrize('name', IN_PIXELS + DRIVES)
def test_most_patches_change_without_any_noise(name):
    shares = []
    for seed in ROOMS:
        video = RoomVideo(seed=seed, motion=name, noise=0.0)
        shares += [changed_share(video.frame(index).image, video.frame(index + 1).image)
                   for index in (10, 25, 40)]

    assert np.mean(shares) > 0.5


def test_a_resting_camera_sees_texture_at_rest():
    plain, textured = (film(name, ROOMS[0], 2, noise=0.0, height=240, width=320)
                       for name in ('static', 'static-textured'))
    kept = [np.abs(first.image.astype(int) - second.image).mean(axis=-1) <= 4
            for first, second in (plain, textured)]

    assert kept[1].mean() == pytest.approx(kept[0].mean(), abs=0.02)
    assert textured[0].image.std() > plain[0].image.std()


def test_texture_stays_on_the_surface_when_the_camera_moves():
    first, second = film('pan-4', ROOMS[0], 17, noise=0.0, height=240, width=320)[15:]
    moved = image_motion(first.depth, first.intrinsics, first.pose, second.pose)
    rows, columns = np.mgrid[20:220, 30:290]
    there = np.rint(moved[rows, columns]).astype(int)
    still = np.abs(there).max(axis=-1) <= 20

    followed = second.image[rows + there[..., 1] * still, columns + there[..., 0] * still]
    here, in_place = first.image[rows, columns], second.image[rows, columns]

    errors = [np.abs(here.astype(int) - other).mean(axis=-1)[still].mean()
              for other in (followed, in_place)]
    assert errors[0] < 0.6 * errors[1]


@pytest.mark.parametrize('name', ['pan-4', 'drive-1', 'static-textured'])
def test_a_stream_is_made_again_bit_by_bit(name):
    first = film(name, ROOMS[0], 2)[1]
    paces._paced_path.cache_clear()
    second = film(name, ROOMS[0], 2)[1]

    for field in ('image', 'depth', 'normals', 'labels', 'edges'):
        assert np.array_equal(getattr(first, field), getattr(second, field))
    assert np.array_equal(first.pose.position, second.pose.position)
    assert np.array_equal(first.pose.rotation, second.pose.rotation)


def test_a_film_of_another_size_goes_the_same_way():
    small, large = (film('handheld-8', ROOMS[0], 9, height=height, width=width)[8].pose
                    for height, width in ((60, 80), (96, 128)))

    assert np.array_equal(small.position, large.position)
    assert np.array_equal(small.rotation, large.rotation)


@pytest.mark.parametrize('kind', PLAIN)
def test_a_motion_without_a_speed_is_the_plain_one(kind):
    video = RoomVideo(seed=7, motion=kind, **SMALL)
    own, plain = video.path(3.3), camera_path(video.room, kind, 7)(3.3)

    assert np.array_equal(own.position, plain.position)
    assert np.array_equal(own.rotation, plain.rotation)


def test_a_point_ahead_moves_outwards_when_the_camera_comes_nearer():
    intrinsics = np.array([[100.0, 0.0, 1.0], [0.0, 100.0, 1.0], [0.0, 0.0, 1.0]])
    here, nearer = (Pose(np.array([0.0, 0.0, z]), np.eye(3)) for z in (0.0, 1.0))

    moved = image_motion(np.full((3, 3), 2.0), intrinsics, here, nearer)

    assert np.allclose(moved[1, 1], 0.0)
    assert np.allclose(moved[0, 2], (1.0, -1.0))
