"""Which metric scores a task, and by which rules."""

from dataclasses import replace

import numpy as np
import pytest
from truths import column, Frame, halves, PersonFrame, predicted, score, towards_camera

from mtshare_ros.errors import ConfigError
from mtshare_ros.evaluation.metrics import make_metric, metric_rules, MetricRules, ROOMS_RULES
from mtshare_ros.tasks import get_task, TASKS

CLASSES = 4
EVERYTHING = {
    'mask': halves(0, 1), 'depth': halves(1, 2, np.float32), 'normals': towards_camera(),
    'edges': column(5, np.uint8, 255), 'human_parts': halves(1, 2), 'saliency': halves(0, 255),
}


class Blank(PersonFrame):
    """A frame of which nothing is known."""

    def __init__(self):
        super().__init__(labels=None, depth=None, normals=None, edges=None)


@pytest.mark.parametrize('task', TASKS)
def test_every_task_has_a_metric_with_its_main_figure(task):
    truth = PersonFrame(edges=column(5), human_parts=halves(1, 2), saliency=halves(0, 1))
    result = score(make_metric(task, CLASSES), predicted(**EVERYTHING), truth)
    assert np.isfinite(result[get_task(task).metric])


@pytest.mark.parametrize('task', TASKS)
def test_a_frame_without_truth_for_a_task_is_not_scored(task):
    result = score(make_metric(task, CLASSES), predicted(**EVERYTHING), Blank())
    assert np.isnan(result[get_task(task).metric])


@pytest.mark.parametrize('task', TASKS)
def test_a_task_that_was_not_computed_is_a_mistake(task):
    truth = PersonFrame(human_parts=halves(1, 2), saliency=halves(0, 1))
    with pytest.raises(ValueError, match=f'does not hold the task {task}'):
        make_metric(task, CLASSES).update(predicted(), truth)


@pytest.mark.parametrize('dataset, expected', [
    ('rooms', 100.0), ('folder', 100.0), ('nyud', 50.0), ('pascal', 50.0)])
def test_absent_classes_count_on_the_published_data_sets_only(dataset, expected):
    metric = make_metric('semseg', CLASSES, metric_rules(dataset))
    truth = Frame(labels=halves(0, 1))
    assert score(metric, predicted(mask=halves(0, 1)), truth)['miou'] == expected


def test_the_seven_parts_all_count_whatever_the_label_set():
    metric = make_metric('human_parts', CLASSES, ROOMS_RULES)
    truth = PersonFrame(human_parts=halves(1, 6))
    result = score(metric, predicted(human_parts=halves(1, 6)), truth)
    assert result['miou'] == pytest.approx(200 / 7)


@pytest.mark.parametrize('dataset, shift, found', [
    ('rooms', 2, True), ('rooms', 3, False), ('nyud', 0, True), ('nyud', 1, False)])
def test_edges_may_lie_two_pixels_off_or_a_share_of_the_diagonal(dataset, shift, found):
    pytest.importorskip('skimage', reason='scikit-image is not installed')
    metric = make_metric('edge', CLASSES, metric_rules(dataset))
    edges = predicted(edges=column(10 + shift, np.uint8, 255))
    assert (score(metric, edges, Frame(edges=column(10)))['f'] > 90) == found


def test_published_tolerances_are_those_of_the_literature():
    assert metric_rules('nyud').edge_max_distance == 0.011
    assert metric_rules('pascal').edge_max_distance == 0.0075


def test_the_published_thresholds_are_hundredths():
    pytest.importorskip('skimage', reason='scikit-image is not installed')
    rules = replace(metric_rules('nyud'), edge_thresholds=99)
    found = column(10, np.uint8, 255) + column(25, np.uint8, 94)  # 0.3686
    result = score(make_metric('edge', CLASSES, rules), predicted(edges=found),
                   Frame(edges=column(10)))
    assert result['threshold'] == 0.37


def test_the_sigmoid_too_many_is_a_rule():
    truth = PersonFrame(saliency=halves(0, 1))
    found = predicted(saliency=halves(40, 60))  # 0.16 and 0.24, on either side of 0.2
    clean = score(make_metric('saliency', CLASSES), found, truth)
    legacy = score(make_metric('saliency', CLASSES, MetricRules(legacy_sigmoid=True)), found,
                   truth)
    assert (clean['threshold'], legacy['threshold']) == (0.2, 0.55)


def test_a_data_set_without_rules_is_refused():
    with pytest.raises(ConfigError, match="dataset is 'moon'; allowed is one of rooms, nyud"):
        metric_rules('moon')


@pytest.mark.parametrize('values, text', [
    ({'semseg_mean': 'some'}, 'one of present, all'),
    ({'edge_max_distance': 7.7}, 'share of the diagonal'),
    ({'edge_thresholds': 0}, '1 or more'),
])
def test_rules_that_mean_nothing_are_refused(values, text):
    with pytest.raises(ConfigError, match=text):
        MetricRules(**values)
