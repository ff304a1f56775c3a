"""Angles between normals against cases worked out by hand."""

import numpy as np
import pytest
from truths import Frame, predicted, score, SIZE, towards_camera

from mtshare_ros.evaluation.metrics import angles_between, NormalsMetric


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
