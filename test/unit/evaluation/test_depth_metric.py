"""Errors of depth against cases worked out by hand."""

import numpy as np
import pytest
from truths import Frame, halves, predicted, score, SIZE

from mtshare_ros.evaluation.metrics import DepthMetric

PIXELS = SIZE[0] * SIZE[1]


def test_exact_depth_has_no_error():
    depth = np.linspace(0.5, 8, PIXELS, dtype=np.float32).reshape(SIZE)
    result = score(DepthMetric(), predicted(depth=depth.copy()), Frame(depth=depth))
    assert result == {'rmse': 0.0, 'abs_rel': 0.0, 'delta1': 100.0, 'log_rmse': 0.0, 'sq_rel': 0.0}


def test_depth_errors_are_root_mean_square_over_pixels():
    truth = Frame(depth=halves(2, 4, np.float32))
    result = score(DepthMetric(), predicted(depth=halves(5, 4, np.float32)), truth)
    assert result['rmse'] == pytest.approx((9 / 2) ** 0.5)
    assert result['abs_rel'] == pytest.approx(0.75)
    assert result['delta1'] == 50.0


def test_depth_is_pooled_over_pixels_rather_than_frames():
    metric = DepthMetric()
    sparse = halves(2, np.nan, np.float32)
    metric.update(predicted(depth=np.full(SIZE, 5, np.float32)), Frame(depth=sparse))
    result = score(metric, predicted(depth=np.full(SIZE, 2, np.float32)), Frame())
    assert result['rmse'] == pytest.approx((9 * 0.5 / 1.5) ** 0.5)


@pytest.mark.parametrize('nothing', [np.nan, np.inf, 0.0])
def test_pixels_without_true_depth_are_not_scored(nothing):
    truth = Frame(depth=halves(2, nothing, np.float32))
    result = score(DepthMetric(), predicted(depth=halves(2, 7, np.float32)), truth)
    assert result['rmse'] == 0.0


def test_depth_that_could_not_be_computed_counts_as_zero():
    found = np.full(SIZE, np.nan, np.float32)
    assert score(DepthMetric(), predicted(depth=found), Frame())['rmse'] == pytest.approx(2.0)


def test_a_metric_without_a_scored_pixel_has_no_figures():
    truth = Frame(depth=np.full(SIZE, np.nan, np.float32))
    assert np.isnan(score(DepthMetric(), predicted(depth=truth.depth), truth)['rmse'])


def test_squared_and_logarithmic_errors_are_those_of_the_definition():
    truth = Frame(depth=halves(2, 4, np.float32))
    result = score(DepthMetric(), predicted(depth=halves(5, 4, np.float32)), truth)
    assert result['sq_rel'] == pytest.approx((9 / 2) / 2)
    assert result['log_rmse'] == pytest.approx((np.log(5 / 2) ** 2 / 2) ** 0.5)
