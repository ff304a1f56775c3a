"""Normals from depth are those of the surface: of planes exactly, of rendered rooms nearly."""

import numpy as np
import pytest
import torch

from mtshare_ros.data.rooms.video import RoomVideo
from mtshare_ros.inference.surface import find_normals, Rays

FOCAL, HEIGHT, WIDTH = 120.0, 48, 64
CENTER = 30.2, 25.1


def rays_of(border, fx=FOCAL, fy=FOCAL, center=CENTER, size=(HEIGHT, WIDTH)):
    right = torch.arange(-border, size[1] + border) - center[0]
    down = torch.arange(-border, size[0] + border) - center[1]
    return Rays(right.float()[None, None], down.float()[None, :, None], fx, fy)


def normals_of(depth, radius, **camera):
    """Return (H, W, 3) normals of (H, W) depth; NaN is unknown."""
    inverse = (1 / torch.as_tensor(depth, dtype=torch.float32)).nan_to_num(0.0)[None]
    padded = torch.nn.functional.pad(inverse, (2 * radius,) * 4)
    found = find_normals(padded, rays_of(2 * radius, size=inverse.shape[1:], **camera), radius)
    return found[0].permute(1, 2, 0).numpy()


def plane(normal, distance=2.0, fy=FOCAL):
    """Return the depth (H, W) of a plane in front of the camera; NaN where it is behind."""
    normal = np.asarray(normal, float) / np.linalg.norm(normal)
    right = (np.arange(WIDTH) - CENTER[0]) / FOCAL
    down = (np.arange(HEIGHT) - CENTER[1])[:, None] / fy
    towards = normal[0] * right + normal[1] * down + normal[2]
    with np.errstate(divide='ignore'):
        depth = -distance / towards
    return np.where(towards < -1e-3, depth, np.nan), normal


def angles(found, true):
    return np.degrees(2 * np.arctan2(np.linalg.norm(found - true, axis=-1),
                                     np.linalg.norm(found + true, axis=-1)))


@pytest.mark.parametrize('radius', [1, 2, 6])
@pytest.mark.parametrize('normal', [
    (0, 0, -1), (0.5, 0, -1), (-1, 0.2, -0.4), (0.3, -1, -0.5), (0.2, 0.9, -0.7)])
def test_a_plane_has_its_own_normal_up_to_the_edge_of_the_image(normal, radius):
    depth, expected = plane(normal)
    assert angles(normals_of(depth, radius), expected).max() < 0.1


@pytest.mark.parametrize('scale', [0.01, 50.0])
def test_the_unit_of_the_depth_does_not_matter(scale):
    depth, expected = plane((0.5, 0.3, -1))
    assert angles(normals_of(depth * scale, 1), expected).max() < 0.1


def test_a_floor_points_up_and_a_facing_wall_at_the_camera():
    floor, _ = plane((0, -1, 0), 1.5)
    found = normals_of(floor, 1)[-8:]
    assert np.allclose(found, (0, -1, 0), atol=2e-3)
    assert np.allclose(normals_of(np.full((HEIGHT, WIDTH), 3.0), 1), (0, 0, -1), atol=1e-4)


def test_the_focal_length_matters():
    depth, expected = plane((0.8, 0, -1))
    found = normals_of(depth, 1, fx=2 * FOCAL, fy=2 * FOCAL)
    assert angles(found, expected).mean() > 10


def test_pixels_that_are_not_square_have_two_focal_lengths():
    depth, expected = plane((0.5, 0.5, -1), fy=2 * FOCAL)
    assert angles(normals_of(depth, 1, fy=2 * FOCAL), expected).max() < 0.1


def test_the_sides_of_a_step_keep_their_own_normals():
    near, near_normal = plane((0.4, 0, -1), 1.0)
    far, far_normal = plane((-0.3, 0.2, -1), 3.0)
    depth = near.copy()
    depth[:, 32:] = far[:, 32:]
    for radius in (1, 2):
        found = normals_of(depth, radius)
        assert angles(found[:, :32], near_normal).max() < 1.0
        assert angles(found[:, 32:], far_normal).max() < 1.0


def test_a_crease_has_two_normals_but_for_two_columns_of_pixels():
    left, left_normal = plane((0.7, 0, -1), 2.0)
    right, right_normal = plane((-0.7, 0, -1), 2.0)
    found = normals_of(np.minimum(left, right), 1)
    near_left = angles(found, left_normal) < 1.5
    near_right = angles(found, right_normal) < 1.5
    assert (near_left | near_right).mean() >= 1 - 2 / WIDTH


def test_unknown_depth_has_no_normal_and_spoils_no_other():
    depth, expected = plane((0.4, 0.3, -1))
    depth[20:24, 10:16] = np.nan
    depth[40, 50] = np.inf
    found = normals_of(depth, 1)
    unknown = ~np.isfinite(found).all(axis=-1)
    assert unknown[20:24, 10:16].all() and unknown[40, 50] and unknown.sum() == 25
    assert angles(found, expected)[~unknown].max() < 0.1


def test_an_image_of_nothing_has_no_normals():
    assert np.isnan(normals_of(np.full((12, 12), np.nan), 2)).all()


def test_exact_depth_of_a_rendered_room_gives_its_normals():
    errors = []
    for seed, motion in ((9000, 'handheld'), (9003, 'static')):
        video = RoomVideo(seed=seed, motion=motion, height=240, width=320)
        frame, matrix = video.frame(0), video.intrinsics
        found = normals_of(frame.depth, 1, fx=matrix[0, 0], fy=matrix[1, 1],
                           center=(matrix[0, 2], matrix[1, 2]))
        errors.append(angles(found, frame.normals))
    assert np.mean(errors) < 2.5 and np.median(errors) < 0.2


def test_a_little_noise_turns_normals_little():
    depth, expected = plane((0.4, 0.3, -1))
    noisy = depth * np.exp(np.random.default_rng(0).normal(0, 0.001, depth.shape))
    assert angles(normals_of(noisy, 1), expected).mean() < 6
    assert angles(normals_of(noisy, 2), expected).mean() < 2.5
