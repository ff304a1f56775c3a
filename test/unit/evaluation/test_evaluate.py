"""Evaluating a model over frames."""

from dataclasses import dataclass
import math

import numpy as np
import pytest
from truths import Frame

from mtshare_ros.benchmark.race import new_record
from mtshare_ros.data.augmentation import resize
from mtshare_ros.data.folder import FolderDataset
from mtshare_ros.data.nyud import NyudDataset
from mtshare_ros.data.transforms import fit_for_evaluation
from mtshare_ros.errors import DatasetError
from mtshare_ros.evaluation.clip_evaluation import ClipFrame, ClipPlan, evaluate_clips
from mtshare_ros.evaluation.room_data import fixed_views, render_fixed_views
from mtshare_ros.evaluation.scorer import evaluate
from mtshare_ros.evaluation.truth_and_rules import focal_length_of
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


@dataclass
class CameraFrame(Frame):
    focal_length: float = 0.0


@pytest.mark.parametrize('size, focal_length, scale', [
    ((96, 128), 110.0, 1.0), ((96, 128), 165.0, 1.5), ((192, 256), 220.0, 2.0),
    ((192, 256), 110.0, 1.0)])
def test_depth_is_scored_in_metres_of_the_camera_that_took_the_frame(
        engine, size, focal_length, scale):
    # the model was trained with 110 pixels
    engine = engine.with_input_size(size)
    image = random_frame(size).image
    truth = CameraFrame(image, depth=scale * engine.infer(image).depth, edges=np.zeros(size, bool),
                        labels=np.zeros(size, np.uint8), normals=np.zeros((*size, 3), np.float32),
                        focal_length=focal_length)

    dense = evaluate(engine, [truth], tasks=('depth',))
    clip = evaluate_clips(engine, [OneFrame(truth)], ClipPlan(('depth',), sharing=None))
    record = new_record(engine, ('depth',), scored=True)
    record.add_maps(engine.infer(image), truth, None, scored=True)

    for figures in (dense, clip.modes['dense'].metrics, record.results()):
        assert figures['depth']['rmse'] == pytest.approx(0, abs=1e-6)


@dataclass(frozen=True)
class OneFrame:
    truth: CameraFrame
    name: str = 'one frame'

    def __len__(self):
        return 1

    def frames(self, size):
        yield ClipFrame(self.truth)


def test_what_takes_images_tells_its_focal_length(tmp_path):
    trees = pytest.importorskip('dataset_trees', reason='data sets need the extra [train]')
    nyud = NyudDataset(trees.write_nyud(tmp_path / 'nyud'), 'val')
    trees.write_frames(tmp_path / 'mine/val', 1, tasks=['depth'])
    unknown = FolderDataset(tmp_path / 'mine', 'val')
    (tmp_path / 'mine/camera.yaml').write_text(
        '{width: 64, height: 48, fx: 60.5, fy: 60.5, cx: 31.5, cy: 23.5}')
    known = FolderDataset(tmp_path / 'mine', 'val')
    found = [focal_length_of(fit_for_evaluation(samples[0], (64, 80)))
             for samples in (nyud, unknown, known)]
    assert found == [518.86, None, 60.5]
    assert focal_length_of(resize(known[0], 2.0, downscale=2)) == 30.25


def test_a_room_tells_the_focal_length_of_its_size():
    pytest.importorskip('numba', reason='the rooms need the extra [rooms]')
    views = fixed_views('test', 1)
    small, large = (focal_length_of(next(render_fixed_views(views, size=size)))
                    for size in ((48, 64), (96, 128)))
    assert large == pytest.approx(2 * small) and small == pytest.approx(32 / np.tan(np.pi / 6))
