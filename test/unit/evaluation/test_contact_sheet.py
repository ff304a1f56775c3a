"""The contact sheet."""

import numpy as np
import pytest

from mtshare_ros.inference.colorize import color_normals
from mtshare_ros.inference.contact_sheet import (
    common_depth_range,
    draw_contact_sheet,
    SheetMaps,
    SheetRow,
)
from mtshare_ros.tasks import load_labels

SIZE = (24, 32)
RED = (255, 0, 0)


@pytest.fixture(scope='module')
def labels():
    return load_labels('nyu40')


def maps(depth=2.0):
    normals = np.zeros((*SIZE, 3), np.float32)
    normals[..., 1] = -1
    return SheetMaps(mask=np.ones(SIZE, np.uint8), depth=np.full(SIZE, depth, np.float32),
                     normals=normals, edges=np.ones(SIZE, bool))


def row(truth=None, found=None):
    return SheetRow(np.full((*SIZE, 3), RED, np.uint8), truth or maps(), found or maps())


def colours_of(sheet):
    return {tuple(color) for color in np.unique(sheet.reshape(-1, 3), axis=0).tolist()}


def test_a_sheet_has_the_width_asked_for(labels):
    sheet = draw_contact_sheet([row()], labels, width=1400)
    assert sheet.shape[1:] == (1400, 3)
    assert sheet.dtype == np.uint8


def test_every_row_adds_the_same_height(labels):
    heights = [len(draw_contact_sheet([row()] * count, labels)) for count in (1, 2, 3)]
    assert heights[2] - heights[1] == heights[1] - heights[0] > 0


def test_the_input_is_shown_once_per_row(labels):
    sheet = draw_contact_sheet([row(), row()], labels)
    reds = (sheet == RED).all(axis=-1)
    columns = np.flatnonzero(reds.any(axis=0))
    starts = np.flatnonzero(np.diff(reds.any(axis=1).astype(int)) == 1)
    assert len(starts) == 2
    assert columns.max() - columns.min() + 1 == len(columns)


def test_another_picture_can_stand_in_place_of_the_image_and_tints_no_map(labels):
    green = np.full((*SIZE, 3), (0, 255, 0), np.uint8)
    plain = row()
    other = draw_contact_sheet([SheetRow(plain.image, plain.truth, plain.found, green)], labels)
    colours = colours_of(other)
    assert (0, 255, 0) in colours and RED not in colours
    assert colours_of(draw_contact_sheet([plain], labels)) - colours == {RED}


def test_a_map_that_is_absent_leaves_its_cell_empty(labels):
    full = draw_contact_sheet([row()], labels)
    part = draw_contact_sheet([row(truth=SheetMaps(mask=np.ones(SIZE, np.uint8)))], labels)
    floor = color_normals(maps().normals)[0, 0]
    counts = [int((sheet == floor).all(axis=-1).sum()) for sheet in (full, part)]
    assert counts[0] == 2 * counts[1] > 0


def test_the_legend_shows_the_colours_of_the_classes_in_view(labels):
    colours = colours_of(draw_contact_sheet([row()], labels))
    assert labels.colors[1] in colours
    assert labels.colors[2] not in colours


def test_edges_of_both_kinds_are_white_where_certain(labels):
    found = SheetMaps(edges=np.full(SIZE, 255, np.uint8))
    truth = SheetMaps(edges=np.ones(SIZE, bool))
    only_truth = draw_contact_sheet([row(truth, SheetMaps())], labels)
    both = draw_contact_sheet([row(truth, found)], labels)
    white = [int((sheet == 255).all(axis=-1).sum()) for sheet in (only_truth, both)]
    assert white[1] == pytest.approx(2 * white[0], rel=0.05)


def test_the_true_depths_set_the_range_of_colours():
    near, far = common_depth_range([row(truth=maps(1.0)), row(truth=maps(4.0), found=maps(90.0))])
    assert (near, far) == (1.0, 4.0)


def test_depth_that_is_never_valid_still_has_a_range():
    near, far = common_depth_range([row(truth=maps(np.nan))])
    assert near < far


def test_a_sheet_without_rows_is_refused(labels):
    with pytest.raises(ValueError, match='at least one row'):
        draw_contact_sheet([], labels)
