"""The metrics against cases worked out by hand."""

import numpy as np
import pytest
from truths import Frame, predicted, SIZE, towards_camera

from mtshare_ros.evaluation.metrics import (
    angles_between,
    DepthMetric,
    dilate,
    EdgeMetric,
    NormalsMetric,
    SemanticMetric,
)

PIXELS = SIZE[0] * SIZE[1]


def score(metric, prediction, truth):
    metric.update(prediction, truth)
    return metric.result()


def halves(left, right, dtype=np.uint8):
    values = np.full(SIZE, left, dtype)
    values[:, SIZE[1] // 2:] = right
    return values


def column(at, dtype=bool, value=1):
    values = np.zeros(SIZE, dtype)
    values[:, at] = value
    return values


def test_a_perfect_mask_scores_a_hundred():
    labels = halves(3, 7)
    result = score(SemanticMetric(40), predicted(mask=labels.copy()), Frame(labels=labels))
    assert result == {'miou': 100.0, 'pixel_accuracy': 100.0, 'classes': 2}


def test_a_mask_of_one_class_scores_the_mean_over_the_classes_present():
    truth = Frame(labels=halves(0, 1))
    result = score(SemanticMetric(3), predicted(mask=np.zeros(SIZE, np.uint8)), truth)
    # class 0: 1/2, class 1: 0, class 2 is absent and not counted
    assert result == {'miou': 25.0, 'pixel_accuracy': 50.0, 'classes': 2}


def test_a_mask_that_is_wrong_everywhere_scores_nothing():
    truth = Frame(labels=halves(0, 1))
    result = score(SemanticMetric(2), predicted(mask=halves(1, 0)), truth)
    assert (result['miou'], result['pixel_accuracy']) == (0.0, 0.0)


def test_unlabelled_truth_is_not_scored():
    truth = Frame(labels=halves(2, 255))
    result = score(SemanticMetric(40), predicted(mask=halves(2, 9)), truth)
    assert result == {'miou': 100.0, 'pixel_accuracy': 100.0, 'classes': 1}


def test_an_unlabelled_prediction_is_a_miss():
    truth = Frame(labels=np.full(SIZE, 2, np.uint8))
    result = score(SemanticMetric(40), predicted(mask=halves(2, 255)), truth)
    assert result == {'miou': 50.0, 'pixel_accuracy': 50.0, 'classes': 1}


def test_intersections_and_unions_are_pooled_over_frames():
    metric = SemanticMetric(2)
    metric.update(predicted(mask=np.zeros(SIZE, np.uint8)), Frame(labels=halves(0, 0)))
    result = score(metric, predicted(mask=np.zeros(SIZE, np.uint8)), Frame(labels=halves(0, 1)))
    assert result['miou'] == pytest.approx(100 * (0.75 + 0) / 2)


def test_the_last_class_is_scored():
    labels = np.full(SIZE, 39, np.uint8)
    assert score(SemanticMetric(40), predicted(mask=labels), Frame(labels=labels))['miou'] == 100.0


def test_exact_depth_has_no_error():
    depth = np.linspace(0.5, 8, PIXELS, dtype=np.float32).reshape(SIZE)
    result = score(DepthMetric(), predicted(depth=depth.copy()), Frame(depth=depth))
    assert result == {'rmse': 0.0, 'abs_rel': 0.0, 'delta1': 100.0}


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


def test_exact_normals_have_no_angle():
    result = score(NormalsMetric(), predicted(normals=towards_camera()), Frame())
    assert result['mean'] == 0.0
    assert result['median'] == pytest.approx(0.0, abs=0.01)
    assert result['within_11_25'] == 100.0


def test_opposite_normals_are_half_a_turn_apart():
    result = score(NormalsMetric(), predicted(normals=-towards_camera()), Frame())
    assert result['mean'] == pytest.approx(180.0)
    assert result['within_30'] == 0.0


def test_angles_are_pooled_into_mean_median_and_shares():
    normals = towards_camera()
    angle = np.radians(20)
    normals[:, :SIZE[1] // 4] = (np.sin(angle), 0, -np.cos(angle))
    result = score(NormalsMetric(), predicted(normals=normals), Frame())
    assert result['mean'] == pytest.approx(5.0, abs=1e-3)
    assert result['median'] == pytest.approx(0.0, abs=0.01)
    assert (result['within_11_25'], result['within_22_5']) == (75.0, 100.0)


@pytest.mark.parametrize('nothing', [0.0, np.nan])
def test_pixels_without_a_true_normal_are_not_scored(nothing):
    truth = Frame()
    truth.normals[:, 16:] = nothing
    normals = towards_camera()
    normals[:, 16:] *= -1
    assert score(NormalsMetric(), predicted(normals=normals), truth)['mean'] == 0.0


def test_normals_that_could_not_be_computed_count_as_a_right_angle():
    normals = np.full((*SIZE, 3), np.nan, np.float32)
    result = score(NormalsMetric(), predicted(normals=normals), Frame())
    assert result['mean'] == pytest.approx(90.0)


def test_the_length_of_a_direction_does_not_matter():
    angle = angles_between(np.array([[0, 3, 0]]), np.array([[0, 0.1, 0.1]]))
    assert angle[0] == pytest.approx(45.0, abs=1e-4)


def test_small_angles_are_exact():
    tilt = np.radians(0.01)
    angle = angles_between(np.array([[0, 0, 1]]), np.array([[0, np.sin(tilt), np.cos(tilt)]]))
    assert angle[0] == pytest.approx(0.01, rel=1e-3)


@pytest.mark.parametrize('shift, expected', [(0, 100.0), (2, 100.0), (3, 0.0)])
def test_an_edge_may_lie_two_pixels_off(shift, expected):
    truth = Frame(edges=column(10))
    result = score(EdgeMetric(), predicted(edges=column(10 + shift, np.uint8, 255)), truth)
    assert result['f'] == pytest.approx(expected)


def test_false_edges_cost_precision():
    truth = Frame(edges=column(10))
    found = column(10, np.uint8, 255) + column(25, np.uint8, 255)
    # precision 1/2, recall 1
    assert score(EdgeMetric(), predicted(edges=found), truth)['f'] == pytest.approx(200 / 3)


def test_missed_edges_cost_recall():
    truth = Frame(edges=column(10) | column(25))
    result = score(EdgeMetric(), predicted(edges=column(10, np.uint8, 255)), truth)
    assert result['f'] == pytest.approx(200 / 3)


def test_the_best_threshold_is_taken():
    truth = Frame(edges=column(10))
    found = column(10, np.uint8, 204) + column(25, np.uint8, 102)  # 0.8 and 0.4
    result = score(EdgeMetric(), predicted(edges=found), truth)
    assert result == {'f': pytest.approx(100.0), 'threshold': 0.4}


def test_edges_are_pooled_over_frames():
    metric = EdgeMetric()
    metric.update(predicted(edges=column(10, np.uint8, 255)), Frame(edges=column(10)))
    result = score(metric, predicted(edges=column(30, np.uint8, 255)), Frame(edges=column(10)))
    assert result['f'] == pytest.approx(50.0)


def test_a_metric_without_a_scored_pixel_has_no_figures():
    truth = Frame(depth=np.full(SIZE, np.nan, np.float32))
    assert np.isnan(score(DepthMetric(), predicted(depth=truth.depth), truth)['rmse'])


def test_dilation_reaches_two_pixels_in_a_square():
    values = np.zeros((7, 7), np.uint8)
    values[3, 3] = 9
    expected = np.zeros((7, 7), np.uint8)
    expected[1:6, 1:6] = 9
    assert np.array_equal(dilate(values, 2), expected)
