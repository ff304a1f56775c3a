"""One figure for all tasks."""

import math

import pytest

from mtshare_ros.evaluation.scorer import delta_m

BEFORE = {'semseg': {'miou': 50.0}, 'depth': {'rmse': 0.4}, 'normals': {'mean': 20.0},
          'edge': {'f': 80.0}}


def changed(**figures):
    names = {'semseg': 'miou', 'depth': 'rmse', 'normals': 'mean', 'edge': 'f'}
    return {**BEFORE, **{task: {names[task]: value} for task, value in figures.items()}}


def test_nothing_changed_is_zero():
    assert delta_m(BEFORE, BEFORE) == 0


@pytest.mark.parametrize('task, value, expected', [
    ('semseg', 55.0, 2.5), ('depth', 0.44, -2.5), ('normals', 18.0, 2.5), ('edge', 72.0, -2.5),
])
def test_a_tenth_of_one_of_four_tasks_counts_a_fortieth_with_the_sign_of_better(
    task, value, expected
):
    assert delta_m(changed(**{task: value}), BEFORE) == pytest.approx(expected)


def test_only_the_measured_tasks_count():
    assert delta_m({'depth': {'rmse': 0.2}}, BEFORE) == pytest.approx(50.0)


def test_without_a_baseline_there_is_no_figure():
    assert math.isnan(delta_m(BEFORE, {}))
    assert math.isnan(delta_m(BEFORE, changed(edge=0.0)))


def test_parts_and_saliency_count_like_the_others():
    before = {'human_parts': {'miou': 60.0}, 'saliency': {'maxf': 80.0}}
    after = {'human_parts': {'miou': 66.0}, 'saliency': {'maxf': 76.0}}
    assert delta_m(after, before) == pytest.approx((10.0 - 5.0) / 2)


def test_tasks_without_a_baseline_are_left_out_on_request_only():
    baseline = {'depth': BEFORE['depth']}
    assert math.isnan(delta_m(changed(depth=0.2), baseline))
    assert delta_m(changed(depth=0.2), baseline, skip_missing=True) == pytest.approx(50.0)
