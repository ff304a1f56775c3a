"""OdsF and its steps: suppression, and pairs of pixels."""

from dataclasses import dataclass
import sys

import numpy as np
import pytest
from truths import column, Frame, predicted, score, SIZE

from mtshare_ros.data.nyud import NyudDataset
from mtshare_ros.errors import MissingExtraError
from mtshare_ros.evaluation.edge_metrics import count_pairs, OdsMetric, outlines, suppress, thinned

pytest.importorskip('skimage', reason='scikit-image is not installed')

SHAPE = (120, 160)
REACH = 0.0385
"""7.7 pixels of an image of SHAPE, as many as are allowed on NYUD-v2."""


@dataclass
class Drawing(Frame):
    regions: np.ndarray | None = None


def most_pairs(found, actual, reach):
    """Return how many pixels can pair up, one after the other finding or making room."""
    first, second = np.argwhere(found), np.argwhere(actual)
    near = [np.flatnonzero(np.hypot(*(second - place).T) <= reach) for place in first]
    partner = {}

    def settle(number, tried):
        for other in near[number]:
            if other in tried:
                continue
            tried.add(other)
            if other not in partner or settle(partner[other], tried):
                partner[other] = number
                return True
        return False

    return sum(settle(number, set()) for number in range(len(first)))


@pytest.fixture(scope='module')
def regions():
    """Return the regions (H, W) that are nearest to each of twelve points."""
    points = np.random.default_rng(3).random((12, 2)) * SHAPE
    places = np.stack(np.mgrid[:SHAPE[0], :SHAPE[1]], axis=-1)
    return np.linalg.norm(places[..., None, :] - points, axis=-1).argmin(axis=-1)


@pytest.fixture
def f_of(regions):
    """Return a function that scores edges (H, W) bool against the outlines of the regions."""
    def score_edges(edges):
        truth = Drawing(edges=np.zeros(SHAPE, bool), regions=regions)
        return score(OdsMetric(REACH), predicted(edges=edges * np.uint8(255)), truth)['f']
    return score_edges


@pytest.fixture
def lines(regions):
    return thinned(outlines(regions))


def test_perfect_edges_lose_nothing_but_the_border(f_of, lines):
    assert 98 < f_of(lines) < 100


def test_edges_within_reach_are_as_good(f_of, lines):
    assert f_of(np.roll(lines, 3, axis=1)) > 97


def test_edges_out_of_reach_are_worse(f_of, lines):
    assert f_of(np.roll(lines, 12, axis=1)) < 80


def test_false_pixels_cost_precision(f_of, lines):
    false = np.random.default_rng(0).random(SHAPE) < 0.03
    assert f_of(lines | false) < 85


def test_the_flanks_of_an_edge_are_not_counted(f_of, lines):
    from scipy.ndimage import gaussian_filter
    blurred = gaussian_filter(lines.astype(float), 1.5)
    found = predicted(edges=(255 * blurred / blurred.max()).astype(np.uint8))
    assert score(OdsMetric(REACH), found, Frame(edges=lines))['f'] > 97


@pytest.mark.parametrize('shift, pairs', [(0, 14), (3, 14), (4, 0)])
def test_an_edge_may_lie_as_far_off_as_is_allowed(shift, pairs):
    # 0.1 of the diagonal is 3.6 pixels; the two outermost of 16 rows are faded to nothing
    found = predicted(edges=column(10 + shift, np.uint8, 255))
    result = score(OdsMetric(0.1), found, Frame(edges=column(10)))
    assert result['f'] == pytest.approx(100 * 2 * pairs / (14 + 16))


def test_counts_are_pooled_over_frames_before_f_is_taken():
    metric = OdsMetric(0.1)
    found = predicted(edges=column(10, np.uint8, 255))
    metric.update(found, Frame(edges=column(10)))
    result = score(metric, found, Frame(edges=column(24)))
    assert result['f'] == pytest.approx(100 * 2 * 14 / (28 + 32))


def test_the_best_of_all_thresholds_is_taken():
    found = column(10, np.uint8, 255) + column(25, np.uint8, 60)
    metric = OdsMetric(0.1, threshold_count=3)
    result = score(metric, predicted(edges=found), Frame(edges=column(10)))
    # 0.25 is above 60 of 255, and above what two rows at either border fade to
    assert result == {'f': pytest.approx(100 * 2 * 12 / (12 + 16)), 'threshold': 0.25}


def test_padding_changes_nothing(regions, lines):
    def padded(values, by):
        return np.pad(values, ((7, 9), (4, 12)), constant_values=by)

    found = np.roll(lines, 5, axis=0) * np.uint8(200)
    plain = score(OdsMetric(REACH), predicted(edges=found),
                  Drawing(edges=np.zeros(SHAPE, np.uint8), regions=regions))
    truth = Drawing(edges=padded(np.zeros(SHAPE, np.uint8), 255), regions=padded(regions, 999))
    assert score(OdsMetric(REACH), predicted(edges=padded(found, 255)), truth) == plain


def test_edges_where_nothing_is_known_are_neither_right_nor_wrong():
    edges = column(10, np.uint8)
    edges[3:13, 18:30] = 255
    found = column(10, np.uint8, 255) + column(25, np.uint8, 255)
    found[[*range(3), *range(13, 16)], 25] = 0
    result = score(OdsMetric(0.1), predicted(edges=found), Frame(edges=edges))
    assert result['f'] == pytest.approx(100 * 2 * 14 / 30)


@pytest.mark.parametrize('edges', [None, np.zeros(SIZE, bool), np.full(SIZE, 255, np.uint8)])
def test_without_a_true_edge_there_is_no_figure(edges):
    found = predicted(edges=column(10, np.uint8, 255))
    assert np.isnan(score(OdsMetric(0.1), found, Frame(edges=edges))['f'])


@pytest.mark.parametrize('seed', range(8))
def test_no_pairs_are_missed(seed):
    random = np.random.default_rng(seed)
    found, actual = random.random((2, 14, 14)) < 0.04 * (1 + seed)
    for reach in (0.5, 1.0, 2.3, 4.0):
        assert count_pairs(found, actual, reach) == most_pairs(found, actual, reach)


def test_nothing_pairs_with_nothing():
    nothing, something = np.zeros(SIZE, bool), np.ones(SIZE, bool)
    assert count_pairs(nothing, something, 3.0) == count_pairs(something, nothing, 3.0) == 0


def test_suppression_keeps_the_crest_of_an_edge():
    crest = np.exp(-(np.arange(40) - 20.0) ** 2 / 8)
    kept = suppress(np.tile(crest, (30, 1)))
    assert np.flatnonzero(kept[15]).tolist() == [20]
    assert kept[15, 20] == 1


def test_edges_fade_along_the_border():
    kept = suppress(np.tile(np.eye(1, 40, 20), (30, 1)))
    assert kept[:6, 20].tolist() == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1])


def test_a_missing_library_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, 'skimage', None)
    with pytest.raises(MissingExtraError, match=r'scikit-image.*mtshare_ros\[train\]'):
        OdsMetric(0.1)


def test_the_thresholds_of_published_figures_are_a_hundred_and_one():
    expected = [0.001, *(number / 100 for number in range(1, 100)), 0.999]
    assert OdsMetric(REACH, threshold_count=99).thresholds.tolist() == pytest.approx(expected)


@pytest.mark.parametrize('width', [1, 2, 3, 5])
def test_the_edges_of_nyud_are_the_outlines_of_their_lines(tmp_path, width):
    # a pixel is outline where the one right, below or right below it differs: the column before
    # the line and its last one, which are one column where the line is thin, once it is thinned
    trees = pytest.importorskip('dataset_trees', reason='data sets need the extra [train]')
    root = trees.write_nyud(tmp_path)
    stored = np.zeros((trees.HEIGHT, trees.WIDTH), np.uint8)
    stored[:, 20:20 + width] = 255
    trees.save_picture(root / 'edge/0009.png', stored)

    sample = NyudDataset(root, 'val')[0]
    found = np.zeros_like(stored)
    found[:, 20 + width // 2] = 255
    result = score(OdsMetric(0.011 * 10), predicted(edges=found), sample)

    rows = trees.HEIGHT
    actual = rows - 1 if width == 1 else 2 * rows  # thinning takes a pixel off a line two wide
    hits = rows - 2  # edges fade to nothing at either end
    assert result['f'] == pytest.approx(100 * 2 * hits / (hits + actual))
    assert np.array_equal(sample.edges, stored // 255)
