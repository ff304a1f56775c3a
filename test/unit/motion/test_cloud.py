"""Where the pixels of a view lay in the view before."""

from dataclasses import dataclass

from board_scene import CAMERA, pose, SIZE, true_place, truly_seen, view
import numpy as np
import pytest
import torch

from mtshare_ros.motion.cloud import Cloud, PixelOrigins
from mtshare_ros.motion.points import Points
from mtshare_ros.motion.rigid import RigidMotion
from mtshare_ros.motion.splatting import close_cracks, fill_holes, splat

START = pose()
MOVES = {
    'turned': pose((0.02, -0.05, 0.03)),
    'moved aside': pose(at=(0.15, 0.02, 0.0)),
    'moved on': pose(at=(0.0, 0.0, 0.3)),
    'turned and moved': pose((-0.02, 0.04, 0.05), (-0.1, 0.05, 0.2)),
}


@dataclass(frozen=True)
class Found:
    """Where the pixels (H, W) of a view lay in the view before, and which of them it showed."""

    row: torch.Tensor
    column: torch.Tensor
    seen: torch.Tensor


def reproject(depth, motion):
    """Return where the pixels of the view after a motion lay in a view of depth (H, W)."""
    here = PixelOrigins.here(SIZE, torch.device('cpu'), 0, 0)
    look = Cloud(depth, here, CAMERA, None).look(motion)
    return Found(look.origins.row, look.origins.column, look.seen)


def between(old, new):
    """Return the reprojection of the scene from one pose to another."""
    return reproject(view(old)['depth'], RigidMotion.between(old, new))


def labels(found):
    """Return what the old view showed where the pixels (H, W) of the new one lay."""
    row, column = (place.round().long().clamp(0, length - 1)
                   for place, length in zip((found.row, found.column), SIZE))
    return view(START)['mask'][row, column]


def places(found):
    """Return row and column (H, W) of a reprojection."""
    return found.row.numpy(), found.column.numpy()


@pytest.mark.parametrize('new', MOVES.values(), ids=MOVES)
def test_pixels_are_found_where_they_lay_to_a_tenth_of_a_pixel(new):
    row, column = places(between(START, new))
    true_row, true_column = true_place(new, START)

    shown = truly_seen(new, START)
    error = np.hypot(row - true_row, column - true_column)[shown]
    assert shown.mean() > 0.7
    assert np.mean(error < 0.1) > 0.97


@pytest.mark.parametrize('new', MOVES.values(), ids=MOVES)
def test_what_is_near_hides_what_is_far(new):
    found = between(START, new)

    assert (labels(found) == view(new)['mask'])[found.seen].float().mean() > 0.98


@pytest.mark.parametrize('new', MOVES.values(), ids=MOVES)
def test_what_the_old_view_did_not_show_is_not_seen(new):
    seen = between(START, new).seen.numpy()

    # along silhouettes and borders a pixel more or less is a matter of rounding
    assert np.mean(seen == truly_seen(new, START)) > 0.965


def test_no_crack_opens_where_a_surface_grows():
    new = pose(at=(0.0, 0.0, 0.6))

    found = between(START, new)

    board = view(new)['mask'] == 3
    assert found.seen[board].all()
    assert (labels(found)[board] == 3).float().mean() > 0.999


def test_no_crack_opens_where_the_view_rolls():
    found = between(START, pose((0.0, 0.0, 0.6), (0.02, 0.0, 0.0)))

    inside = torch.from_numpy(truly_seen(pose((0.0, 0.0, 0.6), (0.02, 0.0, 0.0)), START))
    assert found.seen[1:-1, 1:-1][inside[1:-1, 1:-1]].float().mean() > 0.996


def test_what_is_uncovered_shows_the_farther_neighbour():
    new = pose(at=(0.3, 0.0, 0.0))

    found = between(START, new)

    uncovered = ~found.seen
    uncovered[:, -20:] = False
    uncovered[70:] = False
    assert uncovered.sum() > 50
    assert (labels(found)[uncovered] == 1).all()


def test_a_still_camera_finds_every_pixel_in_its_place():
    found = between(START, START)

    assert found.seen.all()
    rows, columns = np.indices(SIZE)
    np.testing.assert_array_equal(found.row, rows)
    np.testing.assert_array_equal(found.column, columns)


def test_soft_steps_of_the_depth_send_no_pixel_between_near_and_far():
    depth = view(START)['depth'][None, None]
    soft = torch.nn.functional.avg_pool2d(depth, 3, 1, 1, count_include_pad=False)[0, 0]

    aside = RigidMotion.between(START, pose(at=(0.3, 0.0, 0.0)))
    frame = torch.zeros_like(soft, dtype=torch.int32)

    found = splat(Points.of_view(soft, CAMERA, frame, frame), CAMERA, aside, SIZE)
    close_cracks(found)
    fill_holes(found)

    row = np.indices(SIZE)[0]
    above_the_floor = torch.from_numpy(row < 75)
    near_or_far = (found.depth < 2.1) | (found.depth > 3.8)
    assert near_or_far[above_the_floor].all()


def test_what_has_no_depth_turns_with_the_camera():
    depth = view(START)['depth'].clone()
    depth[:20] = torch.nan
    new = pose((0.0, 0.05, 0.0), (0.1, 0.0, 0.0))

    found = reproject(depth, RigidMotion.between(START, new))

    turned = reproject(depth, RigidMotion(
        RigidMotion.between(START, new).rotation, np.zeros(3)))
    assert torch.allclose(found.column[2:17, 20:-20], turned.column[2:17, 20:-20], atol=0.1)


def test_a_view_of_which_nothing_is_left_has_nothing_seen():
    found = between(START, pose((0.0, 2.0, 0.0), (0.1, 0.0, 0.0)))

    assert not found.seen.any()
    assert torch.isfinite(found.row).all() and torch.isfinite(found.column).all()
