"""Depth in the scale of the camera, and depth to points."""

import numpy as np
import pytest

from mtshare_ros.inference.map_camera import assumed_focal_length, depth_scale, Pinhole
from mtshare_ros.messages.image_messages import write_points


def points_of(depth, camera):
    points = np.empty((*depth.shape, 3), np.float32)
    write_points(depth, camera, points)
    return points


def test_the_training_camera_keeps_its_depth():
    assert depth_scale(277.0, trained=277.0) == 1


def test_twice_the_focal_length_means_twice_the_distance():
    assert depth_scale(554.0, trained=277.0) == 2


@pytest.mark.parametrize('size', [(480, 640), (120, 160), (480, 320), (120, 320)])
def test_a_camera_like_that_of_the_training_covers_the_maps(size):
    enlargement = max(size[0] / 240, size[1] / 320)

    found = assumed_focal_length(277.0, trained_size=(240, 320), size=size)

    assert found == pytest.approx(277.0 * enlargement)


def test_an_unknown_training_camera_scales_nothing():
    assert depth_scale(500.0, trained=None) == 1


def test_a_point_projects_to_its_pixel():
    camera = Pinhole(fx=200.0, fy=210.0, cx=30.2, cy=19.7)
    depth = np.random.default_rng(0).uniform(0.3, 8, (40, 60)).astype(np.float32)

    x, y, z = np.moveaxis(points_of(depth, camera), 2, 0)

    rows, columns = np.indices(depth.shape)
    assert np.array_equal(z, depth)
    np.testing.assert_allclose(x / z * camera.fx + camera.cx, columns, atol=1e-4)
    np.testing.assert_allclose(y / z * camera.fy + camera.cy, rows, atol=1e-4)


def test_an_invalid_depth_is_an_invalid_point():
    depth = np.ones((4, 4), np.float32)
    depth[1, 2] = np.nan

    invalid = np.isnan(points_of(depth, Pinhole(4.0, 4.0, 1.5, 1.5)))

    assert invalid[1, 2].all() and invalid.sum() == 3
