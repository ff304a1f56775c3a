"""The engine: one call from frame to maps."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mtshare_ros.errors import ConfigError, FrameError
from mtshare_ros.image_frame import fit_image
from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.prediction import InferenceSettings
from mtshare_ros.model.checkpoint import Checkpoint, load_checkpoint


@pytest.fixture(scope='module')
def engine(tiny_model):
    return Engine.load(str(tiny_model))


def picture(height=480, width=640):
    return np.random.default_rng(1).integers(0, 255, (height, width, 3), dtype=np.uint8)


def test_every_map_has_the_input_size_and_its_unit(engine):
    prediction = engine.infer(picture())
    assert prediction.mask.shape == (96, 128) and prediction.mask.dtype == np.uint8
    assert prediction.mask.max() < 40
    assert prediction.confidence.dtype == np.uint8
    assert prediction.depth.dtype == np.float32 and (prediction.depth > 0).all()
    assert prediction.normals.shape == (96, 128, 3)
    assert np.allclose(np.linalg.norm(prediction.normals, axis=-1), 1, atol=1e-5)
    assert prediction.edges.dtype == np.uint8


def test_the_mask_is_the_class_of_highest_confidence(engine, tiny_model):
    network = load_checkpoint(tiny_model).network
    frame = picture(96, 128)
    image = torch.from_numpy(frame).permute(2, 0, 1)[None]
    with torch.no_grad():
        logits = torch.nn.functional.interpolate(
            network(image)['semseg'], scale_factor=4, mode='bilinear')[0]
    probability = logits.softmax(dim=0).max(dim=0)
    prediction = engine.infer(frame)
    # folding batch norm moves the logits a little, so a tie may fall the other way
    assert (prediction.mask == probability.indices.numpy()).mean() > 0.999
    assert np.abs(prediction.confidence / 255 - probability.values.numpy()).max() < 0.004


def test_the_prediction_carries_the_image_that_the_network_saw(engine):
    frame = picture()
    prediction = engine.infer(frame)
    assert np.array_equal(prediction.image, fit_image(frame, prediction.framing))
    assert prediction.image.shape == (96, 128, 3)


def test_what_is_not_asked_for_is_not_computed(engine):
    prediction = engine.infer(picture(), settings=InferenceSettings(tasks=('depth',)))
    assert prediction.depth is not None
    assert prediction.mask is None and prediction.normals is None and prediction.edges is None


def test_the_same_frame_gives_the_same_maps(engine):
    first, second = engine.infer(picture()), engine.infer(picture())
    assert np.array_equal(first.depth, second.depth)
    assert np.array_equal(first.mask, second.mask)


def test_a_camera_of_another_size_starts_anew(engine):
    session = engine.new_session()
    engine.infer(picture(), session)
    assert engine.infer(picture()[::2, ::2], session).stats.reset_reason == 'image size changed'


def test_another_input_size_gives_maps_of_that_size(tiny_model):
    engine = Engine.load(str(tiny_model), input_size=(64, 96))
    assert engine.infer(picture()).normals.shape == (64, 96, 3)


def test_an_input_size_off_the_grid_is_refused(tiny_model):
    with pytest.raises(ConfigError, match=r'of 16 pixels.* the nearest is \[96, 96\]'):
        Engine.load(str(tiny_model), input_size=(100, 96))


def test_a_frame_that_is_no_image_is_refused(engine):
    with pytest.raises(FrameError):
        engine.infer(np.zeros((96, 128), np.uint8))


def test_a_frame_of_one_pixel_is_refused(engine):
    with pytest.raises(FrameError, match='1x1'):
        engine.infer(np.zeros((1, 1, 3), np.uint8))


@pytest.mark.parametrize('size', [(96, 128), (64, 96), (128, 128)])
def test_depth_is_scaled_by_the_focal_length_against_that_of_the_training(engine, size):
    resized = engine.with_input_size(size)
    expected = resized.infer(picture()).depth
    prediction = resized.infer(picture())
    resized.scale_depth(prediction, 1.5 * engine.description.focal_length)

    assert np.array_equal(prediction.depth, expected * np.float32(1.5))


@pytest.mark.parametrize('size, scale', [((96, 128), 1.0), ((192, 256), 2.0), ((48, 128), 1.0)])
def test_without_a_calibration_the_camera_is_taken_for_that_of_the_training(engine, size, scale):
    resized = engine.with_input_size(size)
    expected = resized.infer(picture()).depth
    prediction = resized.infer(picture())
    resized.scale_depth(prediction)

    assert np.array_equal(prediction.depth, expected * np.float32(scale))


@pytest.mark.parametrize('size', [(96, 128), (192, 256), (48, 128)])
def test_a_network_that_judges_by_the_view_says_the_same_depth_at_every_size(tiny_model, size):
    checkpoint = load_checkpoint(tiny_model)
    by_view = Engine(replace(checkpoint, description=replace(
        checkpoint.description, depth_scaling='view')), input_size=size)
    raw, assumed, narrow = (by_view.infer(picture()) for _ in range(3))
    by_view.scale_depth(assumed)
    by_view.scale_depth(narrow, 2 * by_view.assumed_focal_length)

    assert np.array_equal(assumed.depth, raw.depth)
    assert np.array_equal(narrow.depth, 2 * raw.depth)


def test_a_prediction_without_depth_has_none_to_scale(engine):
    prediction = engine.infer(picture(), settings=InferenceSettings(('edge',)))
    engine.scale_depth(prediction, 100.0)

    assert prediction.depth is None


def test_stages_add_up_to_the_whole(engine):
    stats = engine.infer(picture()).stats
    assert list(stats.stage_ms) == [
        'preprocess', 'gate', 'stem', 'blocks', 'heads', 'decode']
    assert sum(stats.stage_ms.values()) == pytest.approx(stats.total_ms)


def test_numbers_that_are_not_finite_become_invalid_pixels(tiny_model):
    loaded = load_checkpoint(tiny_model)
    for head in loaded.network.heads.values():
        torch.nn.init.constant_(head.predict.bias, torch.nan)
    engine = Engine(Checkpoint(loaded.network, loaded.description), device='cpu')
    prediction = engine.infer(picture())
    assert (prediction.mask == 255).all() and (prediction.confidence == 0).all()
    assert np.isnan(prediction.depth).all() and np.isnan(prediction.normals).all()
    assert (prediction.edges == 0).all()


def test_bfloat16_stays_close_to_float32(tiny_model, engine):
    half = Engine.load(str(tiny_model), precision='bf16')
    difference = np.abs(half.infer(picture()).depth / engine.infer(picture()).depth - 1)
    assert difference.max() < 0.05


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device')
def test_cuda_gives_the_maps_of_the_cpu(tiny_model, engine):
    other = Engine.load(str(tiny_model), device='cuda', precision='fp32')
    assert np.allclose(other.infer(picture()).depth, engine.infer(picture()).depth, rtol=1e-2)
