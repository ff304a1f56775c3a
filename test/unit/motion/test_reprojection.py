"""Where the pixels of a view lay in the view before."""

from board_scene import CAMERA, pose, SIZE, view
import numpy as np
import pytest
import torch

from mtshare_ros.motion.reprojection import reproject
from mtshare_ros.motion.rigid import RigidMotion

START = pose()
MOVES = {
    'turned': pose((0.02, -0.05, 0.03)),
    'moved aside': pose(at=(0.15, 0.02, 0.0)),
    'moved on': pose(at=(0.0, 0.0, 0.3)),
    'turned and moved': pose((-0.02, 0.04, 0.05), (-0.1, 0.05, 0.2)),
}


def between(old, new):
    """Return the reprojection of the scene from one pose to another."""
    return reproject(view(old)['depth'], CAMERA, RigidMotion.between(old, new))


def places(found):
    """Return row and column (H, W) of a reprojection."""
    rows, columns = np.indices(SIZE)
    return found.down.numpy() + rows, found.right.numpy() + columns


@pytest.mark.parametrize('new', MOVES.values(), ids=MOVES)
def test_what_is_near_hides_what_is_far(new):
    found = between(START, new)

    labels = view(START)['mask'].view(-1)[found.source]
    assert (labels == view(new)['mask'])[found.seen].float().mean() > 0.98


def test_what_is_uncovered_shows_the_farther_neighbour():
    new = pose(at=(0.3, 0.0, 0.0))

    found = between(START, new)

    labels = view(START)['mask'].view(-1)[found.source]
    uncovered = ~found.seen
    uncovered[:, -20:] = False
    uncovered[70:] = False
    assert uncovered.sum() > 50
    assert (labels[uncovered] == 1).all()


def test_a_still_camera_finds_every_pixel_in_its_place():
    found = between(START, START)

    assert found.seen.all()
    assert not found.down.any() and not found.right.any()


def test_soft_steps_of_the_depth_send_no_pixel_between_near_and_far():
    depth = view(START)['depth'][None, None]
    soft = torch.nn.functional.avg_pool2d(depth, 3, 1, 1, count_include_pad=False)[0, 0]

    found = reproject(soft, CAMERA, RigidMotion.between(START, pose(at=(0.3, 0.0, 0.0))))

    row = np.indices(SIZE)[0]
    above_the_floor = torch.from_numpy(row < 75)
    near_or_far = (found.depth < 2.1) | (found.depth > 3.8)
    assert near_or_far[above_the_floor].all()


def test_what_has_no_depth_turns_with_the_camera():
    depth = view(START)['depth'].clone()
    depth[:20] = torch.nan
    new = pose((0.0, 0.05, 0.0), (0.1, 0.0, 0.0))

    found = reproject(depth, CAMERA, RigidMotion.between(START, new))

    turned = reproject(depth, CAMERA, RigidMotion(
        RigidMotion.between(START, new).rotation, np.zeros(3)))
    assert torch.allclose(found.right[2:17, 20:-20], turned.right[2:17, 20:-20], atol=0.05)


def test_what_was_not_seen_is_not_seen_after_a_move():
    seen = torch.ones(SIZE, dtype=torch.bool)
    seen[:, 60:] = False
    depth = view(START)['depth']

    for new in MOVES.values():
        found = reproject(depth, CAMERA, RigidMotion.between(START, new), seen)

        assert not found.seen[:, 90:].any()
        assert (found.source % SIZE[1] < 60)[found.seen].all()


def test_a_view_of_which_nothing_is_left_has_nothing_seen():
    found = between(START, pose((0.0, 2.0, 0.0), (0.1, 0.0, 0.0)))

    assert not found.seen.any()
    assert torch.isfinite(found.down).all() and torch.isfinite(found.right).all()
