"""The cloud is organised like the maps, and its points lie where the surfaces are."""

import numpy as np
import pytest
from sensor_msgs.msg import PointCloud2

from mtshare_ros.image_frame import Pinhole
from mtshare_ros.nodes.codec import fill_cloud

CAMERA = Pinhole(fx=30.0, fy=30.0, cx=15.5, cy=11.5)
DEPTH = np.random.default_rng(0).uniform(0.5, 6, (24, 32)).astype(np.float32)
IMAGE = np.random.default_rng(1).integers(0, 256, (24, 32, 3), np.uint8)


def make_cloud(depth=DEPTH, image=IMAGE, camera=CAMERA):
    message = PointCloud2()
    fill_cloud(message, depth, image, camera)
    return message


def read_field(message, name):
    """Read a field as any subscriber does, by offset and type."""
    field = next(field for field in message.fields if field.name == name)
    assert (field.datatype, field.count) == (field.FLOAT32, 1)
    return np.ndarray(
        (message.height, message.width), '>f4' if message.is_bigendian else '<f4',
        buffer=message.data, offset=field.offset, strides=(message.row_step, message.point_step))


def read_points(message):
    return np.stack([read_field(message, name) for name in 'xyz'], axis=-1)


def read_colors(message):
    """Return (H, W, 3) RGB from the packed field."""
    packed = read_field(message, 'rgb').copy().view(np.uint32)
    return np.stack([packed >> 16 & 255, packed >> 8 & 255, packed & 255], axis=-1)


def test_the_cloud_has_a_point_for_every_pixel():
    message = make_cloud()

    assert (message.height, message.width) == (24, 32)
    assert [field.name for field in message.fields] == ['x', 'y', 'z', 'rgb']
    assert (message.point_step, message.row_step) == (16, 16 * 32)
    assert len(message.data) == 16 * 32 * 24
    assert not message.is_dense and not message.is_bigendian


def test_the_points_are_in_the_optical_frame():
    x, y, z = np.moveaxis(read_points(make_cloud()), 2, 0)

    assert np.array_equal(z, DEPTH)
    assert (x[:, :15] < 0).all() and (x[:, 17:] > 0).all()
    assert (y[:11] < 0).all() and (y[13:] > 0).all()


def test_the_points_have_the_colours_of_the_image():
    assert np.array_equal(read_colors(make_cloud()), IMAGE)


def test_a_colour_is_never_a_float_without_a_value():
    white = np.full_like(IMAGE, 255)

    assert np.isfinite(read_field(make_cloud(image=white), 'rgb')).all()


def test_an_invalid_depth_is_an_invalid_point_of_the_right_colour():
    depth = DEPTH.copy()
    depth[3, 5] = np.nan

    message = make_cloud(depth)

    invalid = np.isnan(read_points(message))
    assert invalid[3, 5].all() and invalid.sum() == 3
    assert np.array_equal(read_colors(message), IMAGE)


def test_one_message_serves_frame_after_frame():
    message = make_cloud()
    buffer = message.data

    fill_cloud(message, DEPTH + 1, IMAGE, CAMERA)

    assert message.data is buffer
    assert np.array_equal(read_points(message), read_points(make_cloud(DEPTH + 1)))


def test_a_message_grows_with_the_maps():
    message = make_cloud()

    fill_cloud(message, np.ones((48, 64), np.float32), np.zeros((48, 64, 3), np.uint8), CAMERA)

    assert (message.height, message.width, len(message.data)) == (48, 64, 48 * 64 * 16)


FACES = {'floor': (0, (0, -1, 0)), 'wall': (3, (0, 0, -1))}
"""Number of the primitive, and its normal in the optical frame of a level camera."""


@pytest.fixture(params=FACES)
def face(request):
    """Render the truth of a room; return it with its camera, mask and normal."""
    pytest.importorskip('numba', reason='the rendered rooms need the extra [rooms]')
    from mtshare_ros.data.rooms.renderer import LIVE, Renderer
    from mtshare_ros.data.rooms.scene import make_room
    from mtshare_ros.data.rooms.views import look

    number, normal = FACES[request.param]
    room, renderer = make_room(11), Renderer(height=240, width=320, quality=LIVE)
    rendering = renderer.render(room, look(np.array([0.4, room.size[1] / 2, 1.4]), 0.0, 0.0))
    matrix = renderer.intrinsics
    camera = Pinhole(matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2])
    return rendering, camera, rendering.seen == number, normal


@pytest.mark.fault(27)
def test_the_points_of_a_plane_lie_in_it_and_its_normal_is_that_of_the_maps(face):
    rendering, camera, seen, normal = face
    image = np.zeros((*seen.shape, 3), np.uint8)

    points = read_points(make_cloud(rendering.depth, image, camera))[seen].astype(float)

    middle = points.mean(axis=0)
    fitted = np.linalg.svd(points - middle, full_matrices=False)[2][2]
    fitted *= -np.sign(fitted @ middle)
    assert len(points) > 5000
    assert np.abs((points - middle) @ fitted).max() < 1e-3
    np.testing.assert_allclose(fitted, normal, atol=1e-3)
    assert np.allclose(rendering.normals[seen], normal, atol=1e-5)
