"""The fixed views that models are measured on."""

import numpy as np
import pytest

from mtshare_ros.errors import ConfigError
from mtshare_ros.evaluation.room_data import fixed_views, render_fixed_views


def test_all_views_are_the_default():
    views = fixed_views('test')
    assert len(views) == len(set(views)) >= 240


def test_few_views_are_spread_over_many_rooms():
    views = fixed_views('validation', 16)
    assert len({view.room_seed for view in views}) == 16


def test_the_splits_share_no_room():
    rooms = [{view.room_seed for view in fixed_views(split)} for split in ('validation', 'test')]
    assert not rooms[0] & rooms[1]


def test_training_rooms_cannot_be_evaluated_on():
    with pytest.raises(ConfigError, match="split is 'train'; allowed are validation, test"):
        fixed_views('train')


@pytest.mark.parametrize('count', [0, 100_000])
def test_a_count_the_split_does_not_have_is_refused(count):
    with pytest.raises(ConfigError, match=f'views is {count}'):
        fixed_views('test', count)


def test_a_view_looks_the_same_whatever_came_before():
    pytest.importorskip('numba', reason='the rooms need the extra [rooms]')
    views = fixed_views('test', 8)
    together = list(render_fixed_views(views[:3], size=(48, 64)))
    alone = next(render_fixed_views(views[2:3], size=(48, 64)))
    assert np.array_equal(together[2].image, alone.image)
    assert together[2].image.shape == (48, 64, 3)
