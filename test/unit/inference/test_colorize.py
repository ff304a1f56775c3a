"""Colour companions."""

import numpy as np

from mtshare_ros.inference.colorize import color_depth, color_mask, color_normals


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
