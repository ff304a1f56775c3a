"""Mean intersection over union against cases worked out by hand."""

import numpy as np
import pytest
from truths import Frame, halves, PersonFrame, predicted, score, SIZE

from mtshare_ros.evaluation.metrics import LabelMetric


def test_a_perfect_mask_scores_a_hundred():
    labels = halves(3, 7)
    result = score(LabelMetric('semseg', 40), predicted(mask=labels.copy()), Frame(labels=labels))
    assert result == {'miou': 100.0, 'pixel_accuracy': 100.0, 'classes': 2}


def test_a_mask_of_one_class_scores_the_mean_over_the_classes_present():
    truth = Frame(labels=halves(0, 1))
    result = score(LabelMetric('semseg', 3), predicted(mask=np.zeros(SIZE, np.uint8)), truth)
    # class 0: 1/2, class 1: 0, class 2 is absent and not counted
    assert result == {'miou': 25.0, 'pixel_accuracy': 50.0, 'classes': 2}


def test_a_mask_that_is_wrong_everywhere_scores_nothing():
    truth = Frame(labels=halves(0, 1))
    result = score(LabelMetric('semseg', 2), predicted(mask=halves(1, 0)), truth)
    assert (result['miou'], result['pixel_accuracy']) == (0.0, 0.0)


def test_unlabelled_truth_is_not_scored():
    truth = Frame(labels=halves(2, 255))
    result = score(LabelMetric('semseg', 40), predicted(mask=halves(2, 9)), truth)
    assert result == {'miou': 100.0, 'pixel_accuracy': 100.0, 'classes': 1}


def test_an_unlabelled_prediction_is_a_miss():
    truth = Frame(labels=np.full(SIZE, 2, np.uint8))
    result = score(LabelMetric('semseg', 40), predicted(mask=halves(2, 255)), truth)
    assert result == {'miou': 50.0, 'pixel_accuracy': 50.0, 'classes': 1}


def test_intersections_and_unions_are_pooled_over_frames():
    metric = LabelMetric('semseg', 2)
    metric.update(predicted(mask=np.zeros(SIZE, np.uint8)), Frame(labels=halves(0, 0)))
    result = score(metric, predicted(mask=np.zeros(SIZE, np.uint8)), Frame(labels=halves(0, 1)))
    assert result['miou'] == pytest.approx(100 * (0.75 + 0) / 2)


def test_the_last_class_is_scored():
    labels = np.full(SIZE, 39, np.uint8)
    result = score(LabelMetric('semseg', 40), predicted(mask=labels), Frame(labels=labels))
    assert result['miou'] == 100.0


def test_an_absent_class_counts_nothing_where_the_mean_runs_over_all():
    labels = halves(0, 1)
    metric = LabelMetric('semseg', 4, mean='all')
    result = score(metric, predicted(mask=labels.copy()), Frame(labels=labels))
    assert result == {'miou': 50.0, 'pixel_accuracy': 100.0, 'classes': 2}


def test_both_means_equal_those_of_every_class_taken_alone():
    random = np.random.default_rng(0)
    labels = random.choice(np.array((0, 2, 3, 255), np.uint8), SIZE)
    found = random.integers(0, 6, SIZE).astype(np.uint8)  # class 5 is none of the label set
    scored = labels != 255
    shares = []
    for number in range(5):
        actual, guessed = (labels == number) & scored, (found == number) & scored
        shares.append(100 * (actual & guessed).sum() / (actual | guessed).sum())
    for mean, expected in (('all', sum(shares) / 5), ('present', sum(shares) / 3)):
        metric = LabelMetric('semseg', 5, mean=mean)
        result = score(metric, predicted(mask=found), Frame(labels=labels))
        assert result['miou'] == pytest.approx(expected)


def test_a_mean_over_something_else_is_refused():
    with pytest.raises(ValueError, match="mean is 'some'; allowed are present, all"):
        LabelMetric('semseg', 4, mean='some')


def test_parts_of_people_are_compared_with_their_own_map():
    parts = halves(0, 6)
    truth = PersonFrame(labels=halves(1, 1), human_parts=parts)
    result = score(LabelMetric('human_parts', 7), predicted(human_parts=parts.copy()), truth)
    assert result == {'miou': 100.0, 'pixel_accuracy': 100.0, 'classes': 2}


@pytest.mark.parametrize('other', [0, 255])
def test_an_image_without_people_is_not_scored(other):
    metric = LabelMetric('human_parts', 7)
    parts = predicted(human_parts=halves(1, 1))
    result = score(metric, parts, PersonFrame(human_parts=halves(0, other)))
    assert np.isnan(result['miou']) and result['classes'] == 0


def test_a_frame_that_is_all_background_counts_where_classes_are_asked():
    result = score(LabelMetric('semseg', 7), predicted(mask=halves(0, 1)), Frame())
    assert result['miou'] == 50.0


@pytest.mark.parametrize('mean', ['present', 'all'])
def test_without_a_labelled_pixel_there_is_no_figure(mean):
    metric = LabelMetric('semseg', 4, mean=mean)
    result = score(metric, predicted(mask=halves(0, 1)), Frame(labels=halves(255, 255)))
    assert np.isnan(result['miou']) and np.isnan(result['pixel_accuracy'])
