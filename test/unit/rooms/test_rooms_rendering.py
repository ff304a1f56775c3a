"""Rendering: the ground truth is exact, and the same call gives the same pixels."""

import subprocess
import sys

import numpy as np
import pytest
from waiting import PATIENCE_S

from mtshare_ros.data.rooms.renderer import FULL, LIVE, Quality, Renderer
from mtshare_ros.data.rooms.room_frame import Pose
from mtshare_ros.data.rooms.scene import make_room
from mtshare_ros.data.rooms.sensor import SensorModel
from mtshare_ros.data.rooms.views import look, random_pose, render_view, test_views
from mtshare_ros.errors import ConfigError

test_views.__test__ = False

FLOOR, CEILING = 0, 1
WITHOUT_NUMBA = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] == 'numba':
            raise ImportError('blocked for this test')
sys.meta_path.insert(0, Blocker())
from mtshare_ros.data.rooms.clips import read_clip
from mtshare_ros.data.rooms.scene import make_room
from mtshare_ros.data.rooms.video import RoomVideo
from mtshare_ros.errors import MissingExtraError
make_room(3)
try:
    RoomVideo(seed=3, motion='static')
except MissingExtraError as error:
    sys.stdout.write(str(error))
"""


@pytest.fixture(scope='module')
def room():
    return make_room(12)


@pytest.fixture(scope='module')
def renderer():
    return Renderer(height=120, width=160, quality=LIVE)


@pytest.fixture(scope='module')
def pose(room):
    return random_pose(room, np.random.default_rng(3), 0.0)


@pytest.fixture(scope='module')
def rendering(renderer, room, pose):
    return renderer.render(room, pose)


def world_points(rendering, intrinsics, pose):
    """Return where the pixels' surfaces are (H, W, 3), in metres."""
    rows, columns = np.indices(rendering.depth.shape)
    pixels = np.stack([columns, rows, np.ones_like(rows)], axis=-1)
    rays = pixels @ np.linalg.inv(intrinsics).T
    return pose.position + (rays * rendering.depth[..., None].astype(float)) @ pose.rotation.T


@pytest.mark.parametrize('row, axis, far', [
    (0, 2, False), (1, 2, True), (2, 0, False), (3, 0, True), (4, 1, False), (5, 1, True),
], ids=['floor', 'ceiling', 'wall x=0', 'wall x=max', 'wall y=0', 'wall y=max'])
def test_depth_puts_a_face_of_the_room_in_its_plane(renderer, room, row, axis, far):
    middle = np.array([room.size[0] / 2, room.size[1] / 2, 1.5])
    towards = np.zeros(3)
    towards[axis] = 1.0 if far else -1.0
    pose = look(middle, np.arctan2(towards[1], towards[0]) + 0.2, 1.2 * towards[2] + 0.05)

    rendering = renderer.render(room, pose)

    face = world_points(rendering, renderer.intrinsics, pose)[rendering.seen == row]
    assert len(face) > 50
    assert np.abs(face[:, axis] - (room.size[axis] if far else 0.0)).max() < 1e-3


def test_the_floor_of_a_level_camera_points_up(renderer, room):
    level = look(np.array([room.size[0] / 2, room.size[1] / 2, 1.4]), 0.7, 0.0)

    rendering = renderer.render(room, level)

    floor = rendering.normals[rendering.seen == FLOOR]
    assert len(floor) and np.allclose(floor, (0.0, -1.0, 0.0), atol=1e-5)


def test_a_wall_that_faces_the_camera_points_at_it(renderer, room):
    ahead = look(np.array([room.size[0] / 2, room.size[1] / 2, 1.4]), 0.0, 0.0)

    rendering = renderer.render(room, ahead)

    wall = rendering.normals[rendering.seen == 3]
    assert len(wall) and np.allclose(wall, (0.0, 0.0, -1.0), atol=1e-5)


def test_normals_are_unit_vectors_that_face_the_camera(renderer, rendering):
    rows, columns = np.indices(rendering.depth.shape)
    pixels = np.stack([columns, rows, np.ones_like(rows)], axis=-1)
    rays = pixels @ np.linalg.inv(renderer.intrinsics).T

    assert np.allclose(np.linalg.norm(rendering.normals, axis=-1), 1.0, atol=1e-4)
    assert ((rays * rendering.normals).sum(axis=-1) < 1e-3).all()


def test_edges_lie_where_the_right_or_lower_neighbour_is_another_primitive(rendering):
    seen = rendering.seen
    right, lower = seen[:-1, 1:] != seen[:-1, :-1], seen[1:, :-1] != seen[:-1, :-1]

    assert np.array_equal(rendering.edges[:-1, :-1], right | lower)
    assert 0.0 < rendering.edges.mean() < 0.3


def test_labels_are_those_of_the_primitives_seen(room, rendering):
    assert np.array_equal(rendering.labels, room.primitives.label[rendering.seen])
    assert rendering.labels.dtype == np.uint8 and rendering.labels.max() < 40


def test_the_same_view_has_the_same_pixels_in_another_renderer(room):
    first, second = (render_view(Renderer(height=60, width=80), room, 1) for _ in range(2))

    assert np.array_equal(first.image, second.image)
    assert np.array_equal(first.depth, second.depth)


def test_a_renderer_that_changed_rooms_comes_back_unchanged(room, pose, rendering):
    renderer = Renderer(height=120, width=160, quality=LIVE)
    renderer.render(room, pose, 5.0)
    renderer.render(make_room(13), pose)

    again = renderer.render(room, pose)

    assert np.array_equal(again.radiance, rendering.radiance)


def test_both_qualities_share_their_ground_truth_and_their_brightness(room, pose, rendering):
    full = Renderer(height=120, width=160, quality=FULL).render(room, pose)

    assert np.array_equal(full.depth, rendering.depth)
    assert full.radiance.mean() == pytest.approx(rendering.radiance.mean(), rel=0.02)


def test_the_test_split_shows_25_classes():
    renderer = Renderer(height=60, width=80, quality=LIVE)
    shown = set()
    for view in test_views():
        if view.number == 0:
            room = make_room(view.room_seed)
        shown.update(np.unique(render_view(renderer, room, view.number).labels))

    assert len(shown) >= 25


def test_light_is_blocked_behind_a_person(renderer):
    room = next(room for room in map(make_room, range(40)) if room.movers)
    above = Pose(np.array([*room.movers[0].center, room.size[2] - 0.3]),
                 look(np.zeros(3), 0.0, -np.pi / 2).rotation)
    first, second = (renderer.render(room, above, time) for time in (0.0, 1.5))
    both_floor = (first.seen == FLOOR) & (second.seen == FLOOR)

    changed = np.abs(first.radiance - second.radiance).max(axis=-1)[both_floor]

    assert (changed > 0.1).sum() > 20


def test_an_unchanged_scene_does_not_flicker(renderer, room, pose, rendering):
    period = 2 * np.pi / abs(room.movers[0].rate)

    later = renderer.render(room, pose, 1e-4 * period)

    assert np.abs(later.radiance - rendering.radiance).mean() < 2e-3


@pytest.mark.parametrize('factor', [0.5, 1.0, 2.0])
def test_the_noise_level_is_the_sensors_parameter(factor):
    sensor = SensorModel(shot=0.02, read=0.006, vignette=0.0, gamma=1.0).with_noise(factor)
    grey = np.full((120, 160, 3), 0.4, np.float32)

    image = sensor.expose(grey, 1.0, 5) / 255.0

    light = 0.4 / (1.0 + 0.22 * 0.4 ** 2)
    assert image.std() == pytest.approx(factor * np.sqrt(light * 0.02 ** 2 + 0.006 ** 2), rel=0.03)


def test_without_noise_an_even_surface_is_even():
    grey = np.full((60, 80, 3), 0.4, np.float32)

    image = SensorModel(vignette=0.0).without_noise().expose(grey, 1.0, 5)

    assert image.std() == 0.0


def test_noise_is_decided_by_its_seed():
    grey, sensor = np.full((60, 80, 3), 0.4, np.float32), SensorModel()

    first, same, other = (sensor.expose(grey, 1.0, seed) for seed in (5, 5, 6))

    assert np.array_equal(first, same) and not np.array_equal(first, other)


def test_channels_and_neighbours_have_independent_noise():
    grey = np.full((120, 160, 3), 0.4, np.float32)

    noise = SensorModel(vignette=0.0).expose(grey, 1.0, 7).astype(float)
    noise -= noise.mean()

    for shifted in (noise[:, 1:, 0] * noise[:, :-1, 0], noise[1:, :, 1] * noise[:-1, :, 1],
                    noise[..., 0] * noise[..., 1], noise[..., 1] * noise[..., 2]):
        assert abs(shifted.mean()) < 0.03 * noise.var()


def test_an_image_too_small_is_refused_with_its_size():
    with pytest.raises(ConfigError, match='4 x 320.*at least 8'):
        Renderer(height=4, width=320)


def test_an_unknown_number_of_edge_samples_is_refused():
    with pytest.raises(ConfigError, match='7 samples.*allowed: 3, 4'):
        Quality(edge_samples=7, every_light=True)


def test_without_numba_the_extra_is_named_and_the_rest_can_be_imported():
    result = subprocess.run([sys.executable, '-c', WITHOUT_NUMBA], capture_output=True,
                            text=True, timeout=PATIENCE_S)

    assert "pip install 'mtshare_ros[rooms]'" in result.stdout, result.stderr
