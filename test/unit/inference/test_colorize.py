"""Pictures of maps, and of what was recomputed."""

import numpy as np
import pytest

from mtshare_ros.inference.colorize import (
    color_activity,
    color_depth,
    color_mask,
    color_normals,
    STATES,
)


def test_alpha_blends_between_image_and_class_color():
    palette = np.zeros((256, 3), np.uint8)
    palette[3] = (200, 100, 0)
    mask, image = np.full((2, 2), 3, np.uint8), np.full((2, 2, 3), 100, np.uint8)
    assert (color_mask(mask, image, palette, 0.0) == 100).all()
    assert (color_mask(mask, image, palette, 1.0) == palette[3]).all()
    assert (color_mask(mask, image, palette, 0.5) == (150, 100, 50)).all()


def test_depth_goes_from_warm_to_cool_and_invalid_is_black():
    depth = np.array([[0.5, 5.0, np.nan, 100.0]], np.float32)
    colors = color_depth(depth, (0.5, 5.0)).astype(int)
    assert colors[0, 0, 0] > colors[0, 0, 2]
    assert colors[0, 1, 2] > colors[0, 1, 0]
    assert (colors[0, 2] == 0).all()
    assert (colors[0, 3] == colors[0, 1]).all()


def test_a_floor_is_green_and_a_facing_wall_blue():
    normals = np.array([[[0, -1, 0], [0, 0, -1], [np.nan, np.nan, np.nan]]], np.float32)
    floor, wall, invalid = color_normals(normals)[0]
    assert floor.argmax() == 1 and wall.argmax() == 2
    assert (invalid == 0).all()


ROWS, COLUMNS, SIDE = 2, 3, 16
IMAGE = np.full((ROWS * SIDE, COLUMNS * SIDE, 3), 120, np.uint8)
KEPT, REUSED, COMPUTED, REFRESHED = range(len(STATES))


def picture(*states, image=IMAGE):
    """Draw some tasks, each with one state of all its tokens."""
    tasks = ('semseg', 'depth', 'normals', 'edge')[:len(states)]
    return color_activity(image, {
        task: np.full((ROWS, COLUMNS), state, np.uint8) for task, state in zip(tasks, states)})


def hue_of(pixel):
    red, green, blue = (int(value) for value in pixel)
    if max(red, green, blue) - min(red, green, blue) < 5:
        return 'grey'
    return {'red': 'orange', 'green': 'turquoise', 'blue': 'violet'}[
        ('red', 'green', 'blue')[int(np.argmax((red, green, blue)))]]


@pytest.mark.parametrize(('state', 'hue'), [
    (KEPT, 'grey'), (REUSED, 'turquoise'), (COMPUTED, 'orange'), (REFRESHED, 'violet')])
def test_every_state_has_its_own_color(state, hue):
    drawn = picture(state)

    assert drawn.shape == IMAGE.shape and drawn.dtype == np.uint8
    assert hue_of(drawn[4, 4]) == hue


def test_what_was_kept_is_darker_than_the_image_and_without_color():
    colorful = np.random.default_rng(0).integers(0, 256, IMAGE.shape, np.uint8)

    drawn = picture(KEPT, image=colorful)

    assert (drawn.max(axis=2) == drawn.min(axis=2)).all()
    assert drawn.mean() < 0.6 * colorful.mean()


@pytest.mark.parametrize(('states', 'quarters'), [
    ((COMPUTED,), ['orange'] * 4),
    ((COMPUTED, KEPT), ['orange', 'grey', 'orange', 'grey']),
    ((KEPT, REUSED, COMPUTED), ['grey', 'turquoise', 'orange', 'orange']),
    ((COMPUTED, REUSED, REFRESHED, KEPT), ['orange', 'turquoise', 'violet', 'grey']),
])
def test_the_tasks_share_every_tile(states, quarters):
    drawn = picture(*states)

    tile = drawn[SIDE:2 * SIDE, SIDE:2 * SIDE]
    assert [hue_of(tile[row, column]) for row in (4, 12) for column in (4, 12)] == quarters


def test_the_order_of_the_tasks_is_always_the_same():
    maps = {'edge': np.full((ROWS, COLUMNS), KEPT, np.uint8),
            'depth': np.full((ROWS, COLUMNS), COMPUTED, np.uint8)}

    drawn = color_activity(IMAGE, maps)

    assert (hue_of(drawn[4, 4]), hue_of(drawn[4, 12])) == ('orange', 'grey')


def test_one_recomputed_token_is_drawn_where_it_is():
    states = np.zeros((ROWS, COLUMNS), np.uint8)
    states[1, 2] = COMPUTED

    drawn = color_activity(IMAGE, {'depth': states})

    colored = drawn.max(axis=2) != drawn.min(axis=2)
    assert colored[SIDE:, 2 * SIDE:].all() and colored.sum() == SIDE * SIDE


def test_the_brightest_image_does_not_overflow():
    white = np.full_like(IMAGE, 255)

    assert (picture(COMPUTED, image=white) >= picture(COMPUTED)).all()


def test_tasks_beyond_four_leave_the_picture_of_the_first_four_as_it_is():
    tasks = ('semseg', 'depth', 'normals', 'edge', 'saliency')
    maps = {task: np.full((ROWS, COLUMNS), state, np.uint8)
            for task, state in zip(tasks, (KEPT, COMPUTED, KEPT, COMPUTED, COMPUTED))}

    drawn = color_activity(IMAGE, maps)

    assert np.array_equal(drawn, color_activity(IMAGE, {task: maps[task] for task in tasks[:4]}))
