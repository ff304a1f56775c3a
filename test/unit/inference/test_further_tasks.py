"""Tasks beyond the four that every model has."""

from dataclasses import replace

import numpy as np
import pytest
from tiny import TINY
import torch

from mtshare_ros.image_frame import frame_to_cover
from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.postprocess import decode
from mtshare_ros.inference.prediction import FrameStats, InferenceSettings, Prediction
from mtshare_ros.model.checkpoint import Checkpoint
from mtshare_ros.model.network import build_model
from mtshare_ros.sharing.sharing_settings import SharingSettings
from mtshare_ros.tasks import DEFAULT_TASKS

SIZE = TINY.input_size
FURTHER = ('human_parts', 'saliency')


@pytest.fixture(scope='module')
def engine(tiny_description):
    torch.manual_seed(0)
    tasks = ('semseg', 'edge', *FURTHER)
    network = build_model(TINY, tasks, len(tiny_description.labels)).eval()
    return Engine(Checkpoint(network, replace(tiny_description, tasks=tasks)), device='cpu')


def picture(seed=0):
    return np.random.default_rng(seed).integers(0, 256, (*SIZE, 3), np.uint8)


def test_their_maps_stand_among_the_others(engine):
    prediction = engine.infer(picture())
    assert set(prediction.other) == set(FURTHER)
    for task in FURTHER:
        assert prediction.other[task].shape == SIZE
        assert prediction.other[task].dtype == np.uint8
    assert prediction.other['human_parts'].max() < 7
    assert prediction.mask is not None and prediction.edges is not None


def test_what_is_not_asked_for_is_not_among_the_others(engine):
    prediction = engine.infer(picture(), settings=InferenceSettings(('semseg', 'saliency')))
    assert set(prediction.other) == {'saliency'}


def test_maps_kept_up_to_date_are_those_of_the_whole_output(engine):
    session, image = engine.new_session(), picture()
    settings = InferenceSettings(engine.tasks, SharingSettings(crossover=1.0))
    engine.infer(image, session, settings)
    image[32:64, 48:80] = picture(1)[32:64, 48:80]
    prediction = engine.infer(image, session, settings)
    assert 0 < prediction.stats.input_fraction < 1
    for task in FURTHER:
        expected = decode(task, engine.raw(session, task), engine.input_size)[task].astype(int)
        difference = np.abs(prediction.other[task] - expected)
        assert (difference > (1 if task == 'saliency' else 0)).mean() < 1e-3


def test_only_the_four_are_computed_unless_others_are_named():
    assert InferenceSettings().tasks == DEFAULT_TASKS == ('semseg', 'depth', 'normals', 'edge')


def test_a_map_is_found_by_its_task():
    maps = {'mask': np.zeros(SIZE, np.uint8), 'saliency': np.ones(SIZE, np.uint8)}
    prediction = Prediction.from_maps(frame_to_cover(SIZE, SIZE), FrameStats(1.0), maps)
    assert prediction.map_of('semseg') is prediction.mask is maps['mask']
    assert prediction.map_of('saliency') is prediction.other['saliency'] is maps['saliency']
    assert prediction.map_of('depth') is None and prediction.map_of('human_parts') is None
