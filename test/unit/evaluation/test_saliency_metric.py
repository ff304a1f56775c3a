"""The largest F of saliency against cases worked out by hand."""

import numpy as np
import pytest
from truths import column, Frame, halves, PersonFrame, predicted, score, SIZE

from mtshare_ros.evaluation.metrics import SaliencyMetric


def largest_f(found, actual, thresholds):
    """Return max F (%) with beta squared 0.3 over thresholds, counted pixel by pixel."""
    best = 0.0
    for threshold in thresholds:
        pairs = [(value >= threshold, bool(true)) for value, true in zip(found, actual)]
        hits = sum(guess and true for guess, true in pairs)
        if hits:
            precision = hits / sum(guess for guess, _ in pairs)
            recall = hits / sum(true for _, true in pairs)
            best = max(best, 1.3 * precision * recall / (0.3 * precision + recall))
    return 100 * best


def noisy_case():
    random = np.random.default_rng(0)
    actual = random.random(SIZE) < 0.3
    levels = (255 * np.clip(0.4 * actual + random.random(SIZE) * 0.6, 0, 1)).astype(np.uint8)
    return levels, actual


def test_a_perfect_map_scores_a_hundred():
    truth = PersonFrame(saliency=halves(True, False, bool))
    result = score(SaliencyMetric(), predicted(saliency=halves(255, 0)), truth)
    assert result['maxf'] == pytest.approx(100.0)


def test_precision_counts_more_than_recall():
    truth = PersonFrame(saliency=halves(True, False, bool))
    everything = score(SaliencyMetric(), predicted(saliency=halves(255, 255)), truth)
    half = halves(255, 0)
    half[::2] = 0
    sparing = score(SaliencyMetric(), predicted(saliency=half), truth)
    assert everything['maxf'] == pytest.approx(100 * 1.3 * 0.5 / (0.3 * 0.5 + 1))
    assert sparing['maxf'] == pytest.approx(100 * 1.3 * 0.5 / (0.3 + 0.5))


def test_noise_scores_what_the_definition_says():
    levels, actual = noisy_case()
    expected = largest_f(levels.ravel() / 255, actual.ravel(), np.arange(1, 20) / 20)
    result = score(SaliencyMetric(), predicted(saliency=levels), PersonFrame(saliency=actual))
    assert result['maxf'] == pytest.approx(expected)


def test_a_sigmoid_too_many_leaves_few_thresholds():
    levels, actual = noisy_case()
    # what 0.5, 0.55, ... 0.7 of the squashed probability are of the probability itself
    acting = (0.0, 0.2007, 0.4055, 0.619, 0.8473)
    expected = largest_f(levels.ravel() / 255, actual.ravel(), acting)
    metric = SaliencyMetric(legacy_sigmoid=True)
    result = score(metric, predicted(saliency=levels), PersonFrame(saliency=actual))
    assert result['maxf'] == pytest.approx(expected)


def test_the_best_threshold_is_told():
    truth = PersonFrame(saliency=column(10))
    found = column(10, np.uint8, 204) + column(25, np.uint8, 102)  # 0.8 and 0.4
    result = score(SaliencyMetric(), predicted(saliency=found), truth)
    assert result == {'maxf': pytest.approx(100.0), 'threshold': 0.45}


def test_counts_are_pooled_over_frames_before_f_is_taken():
    metric = SaliencyMetric()
    found = predicted(saliency=halves(255, 0))
    metric.update(found, PersonFrame(saliency=halves(True, False, bool)))
    result = score(metric, found, PersonFrame(saliency=halves(True, True, bool)))
    assert result['maxf'] == pytest.approx(100 * 1.3 * (2 / 3) / (0.3 + 2 / 3))


def test_pixels_without_a_label_are_not_scored():
    truth = PersonFrame(saliency=halves(1, 255))
    result = score(SaliencyMetric(), predicted(saliency=halves(255, 255)), truth)
    assert result['maxf'] == pytest.approx(100.0)


@pytest.mark.parametrize('truth', [Frame(), PersonFrame(saliency=np.zeros(SIZE, bool))])
def test_where_nothing_is_salient_there_is_no_figure(truth):
    assert np.isnan(score(SaliencyMetric(), predicted(saliency=halves(255, 0)), truth)['maxf'])
