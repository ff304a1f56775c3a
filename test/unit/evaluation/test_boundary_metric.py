"""Boundary F within two pixels against cases worked out by hand."""

import numpy as np
import pytest
from truths import column, Frame, predicted, score

from mtshare_ros.evaluation.edge_metrics import BoundaryMetric, dilate


@pytest.mark.parametrize('shift, expected', [(0, 100.0), (2, 100.0), (3, 0.0)])
def test_an_edge_may_lie_two_pixels_off(shift, expected):
    truth = Frame(edges=column(10))
    result = score(BoundaryMetric(), predicted(edges=column(10 + shift, np.uint8, 255)), truth)
    assert result['f'] == pytest.approx(expected)


def test_false_edges_cost_precision():
    truth = Frame(edges=column(10))
    found = column(10, np.uint8, 255) + column(25, np.uint8, 255)
    # precision 1/2, recall 1
    assert score(BoundaryMetric(), predicted(edges=found), truth)['f'] == pytest.approx(200 / 3)


def test_missed_edges_cost_recall():
    truth = Frame(edges=column(10) | column(25))
    result = score(BoundaryMetric(), predicted(edges=column(10, np.uint8, 255)), truth)
    assert result['f'] == pytest.approx(200 / 3)


def test_the_best_threshold_is_taken():
    truth = Frame(edges=column(10))
    found = column(10, np.uint8, 204) + column(25, np.uint8, 102)  # 0.8 and 0.4
    result = score(BoundaryMetric(), predicted(edges=found), truth)
    assert result == {'f': pytest.approx(100.0), 'threshold': 0.4}


def test_edges_are_pooled_over_frames():
    metric = BoundaryMetric()
    metric.update(predicted(edges=column(10, np.uint8, 255)), Frame(edges=column(10)))
    result = score(metric, predicted(edges=column(30, np.uint8, 255)), Frame(edges=column(10)))
    assert result['f'] == pytest.approx(50.0)


def test_dilation_reaches_two_pixels_in_a_square():
    values = np.zeros((7, 7), np.uint8)
    values[3, 3] = 9
    expected = np.zeros((7, 7), np.uint8)
    expected[1:6, 1:6] = 9
    assert np.array_equal(dilate(values, 2), expected)


def test_edges_where_nothing_is_known_are_neither_right_nor_wrong():
    edges = column(10, np.uint8)
    edges[:, 20:] = 255
    found = column(10, np.uint8, 255) + column(25, np.uint8, 255)
    result = score(BoundaryMetric(), predicted(edges=found), Frame(edges=edges))
    assert result['f'] == pytest.approx(100.0)


def test_an_edge_where_nothing_is_known_reaches_no_true_one():
    edges = column(10, np.uint8)
    edges[:, 11:] = 255
    result = score(BoundaryMetric(), predicted(edges=column(11, np.uint8, 255)),
                   Frame(edges=edges))
    assert result['f'] == 0.0
