"""Evaluating a model over frames."""

import math

import numpy as np
import pytest
from truths import Frame

from mtshare_ros.errors import DatasetError
from mtshare_ros.evaluation.evaluate import evaluate
from mtshare_ros.inference.engine import Engine


@pytest.fixture(scope='module')
def engine(tiny_model):
    return Engine.load(str(tiny_model), device='cpu')


def random_frame(size, seed=0):
    random = np.random.default_rng(seed)
    normals = random.normal(size=(*size, 3)).astype(np.float32)
    return Frame(
        image=random.integers(0, 256, (*size, 3), np.uint8),
        labels=random.integers(0, 40, size).astype(np.uint8),
        depth=random.uniform(0.5, 5, size).astype(np.float32),
        normals=normals / np.linalg.norm(normals, axis=-1, keepdims=True),
        edges=random.random(size) < 0.1,
    )


def test_every_task_of_the_model_has_its_figures(engine):
    metrics = evaluate(engine, [random_frame(engine.input_size)])
    assert {task: set(figures) for task, figures in metrics.items()} == {
        'semseg': {'miou', 'pixel_accuracy', 'classes'},
        'depth': {'rmse', 'abs_rel', 'delta1', 'log_rmse', 'sq_rel'},
        'normals': {'mean', 'median', 'within_11_25', 'within_22_5', 'within_30'},
        'edge': {'f', 'threshold'},
    }
    assert all(math.isfinite(value) for figures in metrics.values() for value in figures.values())


def test_the_truth_of_the_model_itself_is_perfect(engine):
    frame = random_frame(engine.input_size)
    own = engine.infer(frame.image)
    metrics = evaluate(engine, [Frame(frame.image, own.mask, own.depth, own.normals, frame.edges)])
    assert metrics['semseg']['miou'] == 100.0
    assert metrics['depth']['rmse'] == pytest.approx(0.0, abs=1e-6)
    assert metrics['normals']['mean'] == pytest.approx(0.0, abs=0.05)


def test_only_the_tasks_asked_for_are_computed(engine):
    metrics = evaluate(engine, [random_frame(engine.input_size)], tasks=('edge', 'depth'))
    assert list(metrics) == ['depth', 'edge']


def test_a_map_that_is_not_labelled_is_not_scored(engine):
    frame = random_frame(engine.input_size)
    frame.depth = None
    metrics = evaluate(engine, [frame])
    assert math.isnan(metrics['depth']['rmse']) and math.isfinite(metrics['edge']['f'])


def test_progress_counts_the_frames(engine):
    seen = []
    frames = [random_frame(engine.input_size, seed) for seed in range(3)]
    evaluate(engine, frames, progress=seen.append)
    assert seen == [1, 2, 3]


def test_frames_of_another_size_are_refused(engine):
    with pytest.raises(DatasetError, match='frame 0: image is 48x64 .* model are 96x128'):
        evaluate(engine, [random_frame((48, 64))])


def test_an_empty_set_is_refused(engine):
    with pytest.raises(DatasetError, match='no frames to evaluate'):
        evaluate(engine, [])
