"""Frames on lists of fixed lengths on a GPU, here a pretended one: waits, launches, precision."""

from dataclasses import replace

from moving import frames, SIZE
import numpy as np
from pretended_cuda import pretended_cuda
import pytest
import torch

from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.map_decoder import decode_patches
from mtshare_ros.inference.prediction import InferenceSettings
from mtshare_ros.inference.static import map_operator
from mtshare_ros.inference.static.map_operator import ChosenDecoder, decode_patches_fused
from mtshare_ros.model.architecture import ArchitectureConfig, HeadConfig
from mtshare_ros.model.checkpoint import Checkpoint, load_checkpoint
from mtshare_ros.model.description import ModelDescription
from mtshare_ros.model.manifest import find_model
from mtshare_ros.model.network import build_model
from mtshare_ros.sharing.sharing_settings import SharingSettings
from mtshare_ros.sharing.static import kernel_choice as choosing
from mtshare_ros.sharing.static.kernel_choice import Chosen
from mtshare_ros.sharing.static.operators import FUSED, PLAIN
from mtshare_ros.tasks import DEFAULT_TASKS, load_labels

DEFAULTS = SharingSettings()


@pytest.fixture(scope='module')
def checkpoint(tiny_model):
    return load_checkpoint(tiny_model)


@pytest.fixture(autouse=True)
def with_triton(monkeypatch):
    """Let the engine take the kernels that a GPU with Triton has."""
    monkeypatch.setattr(choosing, 'choose', lambda *args, **options: Chosen(FUSED))
    monkeypatch.setattr(map_operator, 'choose_decoder',
                        lambda *args: ChosenDecoder(decode_patches_fused))


def engine_on_gpu(checkpoint, **options):
    return Engine(checkpoint, device='cuda', input_size=SIZE, **options)


def on_cpu(checkpoint, images, sharing=DEFAULTS):
    """Return the predictions of the same path on the CPU."""
    engine = Engine(checkpoint, device='cpu', fixed_shapes=True, input_size=SIZE)
    session, settings = engine.new_session(), InferenceSettings(engine.tasks, sharing)
    return [engine.infer(image, session, settings) for image in images]


def test_a_frame_is_two_replays_and_two_waits_once_its_graphs_are_captured(checkpoint):
    with pretended_cuda() as device:
        engine = engine_on_gpu(checkpoint)
        session = engine.new_session()
        assert engine.prepare(session) == ()
        for image in frames(2):
            engine.infer(image, session)
        for image in frames(9)[2:]:
            device.clear()
            engine.infer(image, session)
            assert device.launches_by_operator['replay'] == 2
            assert [wait.kind for wait in device.synchronisations] == ['event.synchronize'] * 2


@pytest.mark.parametrize('sharing', [
    SharingSettings(), SharingSettings(policy='keyframe', refresh_period=5),
    SharingSettings(halo=1), SharingSettings(temporal_threshold=0.3),
    SharingSettings(temporal=False, task=False)])
def test_replayed_graphs_give_what_the_cpu_computes(checkpoint, sharing):
    expected = on_cpu(checkpoint, frames(9), sharing)
    with pretended_cuda():
        engine = engine_on_gpu(checkpoint, precision='fp32')
        session, settings = engine.new_session(), InferenceSettings(engine.tasks, sharing)
        found = [engine.infer(image, session, settings) for image in frames(9)]

    for ours, theirs in zip(found, expected):
        assert ours.stats.input_fraction == theirs.stats.input_fraction
        np.testing.assert_allclose(ours.depth, theirs.depth, rtol=1e-4)
        np.testing.assert_allclose(ours.normals, theirs.normals, atol=1e-4)
        assert (ours.mask != theirs.mask).mean() < 1e-3


@pytest.mark.parametrize('precision', ['fp16', 'bf16'])
def test_half_precision_stays_near_single_precision(checkpoint, precision):
    expected = on_cpu(checkpoint, frames(6))
    with pretended_cuda():
        engine = engine_on_gpu(checkpoint, precision=precision)
        session = engine.new_session()
        found = [engine.infer(image, session) for image in frames(6)]

    tolerance = {'fp16': 5e-3, 'bf16': 4e-2}[precision]
    np.testing.assert_allclose(found[-1].depth, expected[-1].depth, rtol=tolerance)


def test_thresholds_turned_while_it_runs_act_at_once_and_capture_nothing(checkpoint):
    with pretended_cuda() as device:
        engine = engine_on_gpu(checkpoint)
        session = engine.new_session()
        engine.prepare(session)
        images = frames(6)
        for image in images[:3]:
            engine.infer(image, session)
        device.clear()
        turned = SharingSettings(temporal_threshold=1.3, refresh_period=40, halo=1)
        stats = engine.infer(images[3], session, InferenceSettings(engine.tasks, turned)).stats

        assert not stats.reset_reason
        assert device.launches_by_operator['replay'] == 2


def test_a_frame_is_computed_while_other_graphs_are_captured(checkpoint):
    expected = on_cpu(checkpoint, frames(8), SharingSettings(temporal_threshold=0.4))
    with pretended_cuda():
        engine = engine_on_gpu(checkpoint, precision='fp32')
        session = engine.new_session()
        engine.prepare(session)
        low = InferenceSettings(engine.tasks, SharingSettings(temporal_threshold=0.4))
        found = [engine.infer(image, session, low) for image in frames(8)]

    for ours, theirs in zip(found, expected):
        np.testing.assert_allclose(ours.depth, theirs.depth, rtol=1e-4)


def test_several_cameras_have_graphs_of_their_own_which_go_with_them(checkpoint):
    expected = on_cpu(checkpoint, frames(5))
    with pretended_cuda():
        engine = engine_on_gpu(checkpoint, precision='fp32')
        ours, other = engine.new_session(), engine.new_session()
        for image, another in zip(frames(5), frames(5, seed=3)):
            found = engine.infer(image, ours)
            engine.infer(another, other)
            if other.static.frame == 3:
                other.release('this camera is gone')

    np.testing.assert_allclose(found.depth, expected[-1].depth, rtol=1e-4)


def test_cameras_on_two_gpus_are_captured_each_on_its_own(checkpoint):
    expected = on_cpu(checkpoint, frames(5))
    with pretended_cuda(devices=2):
        engines = [Engine(checkpoint, device=f'cuda:{number}', input_size=SIZE, precision='fp32')
                   for number in (0, 1)]
        sessions = [engine.new_session() for engine in engines]
        for image in frames(5):
            found = [engine.infer(image, session) for engine, session in zip(engines, sessions)]

    for ours in found:
        np.testing.assert_allclose(ours.depth, expected[-1].depth, rtol=1e-4)


def test_without_graphs_the_maps_are_the_same_and_the_waits_as_few(checkpoint):
    expected = on_cpu(checkpoint, frames(4))
    with pretended_cuda() as device:
        engine = engine_on_gpu(checkpoint, precision='fp32', cuda_graphs=False)
        session = engine.new_session()
        for image in frames(4):
            device.clear()
            found = engine.infer(image, session)

        assert device.launches_by_operator['replay'] == 0
        assert len(device.synchronisations) == 2
    np.testing.assert_allclose(found.depth, expected[-1].depth, rtol=1e-4)


def test_a_raw_output_that_holds_nan_is_found_and_the_camera_starts_anew(checkpoint):
    with pretended_cuda():
        engine = engine_on_gpu(checkpoint)
        session = engine.new_session()
        for image in frames(4):
            engine.infer(image, session)
        for cache in session.static.state.transformer.shared:
            cache.fill_(torch.nan)
        assert engine.infer(frames(6)[5], session).stats.non_finite
        assert 'NaN' in engine.infer(frames(7)[6], session).stats.reset_reason
        assert not engine.infer(frames(8)[7], session).stats.non_finite


def launches_of(device, checkpoint):
    """Return the kernels and copies of one frame by lists, and of one that learns the noise."""
    engine = Engine(checkpoint, device='cuda', cuda_graphs=False)
    session, counts = engine.new_session(), []
    for image in frames(6, size=engine.input_size):
        device.clear()
        stats = engine.infer(image, session).stats
        counts.append(device.kernels)
    assert 0 < stats.input_fraction < 0.2
    return min(counts[-2:]), max(counts[-2:])


def backbone_of_all():
    """Return a model as ``real_vit_small`` is: one backbone, four heads that read four blocks."""
    head = HeadConfig(taps=(3, 6, 9, 12), side=4, channels=32, depth=2, hidden=256)
    labels = replace(head, channels=64, depth=1, hidden=384)
    shape = ArchitectureConfig(
        embed_dim=384, depth=12, num_heads=6, stem='patch', position='absolute', patch_size=14,
        class_token=True, position_grid=(37, 37), input_size=(336, 448),
        heads={'semseg': labels, 'depth': head, 'normals': head, 'edge': head})
    names = load_labels('nyu40')
    return Checkpoint(build_model(shape, DEFAULT_TASKS, len(names)).eval(), ModelDescription(
        architecture=shape, tasks=DEFAULT_TASKS, labels=names, focal_length=300.0,
        depth_range=(0.3, 8.0), trained_on='nothing'))


@pytest.fixture(scope='module')
def four_encoders():
    return load_checkpoint(find_model('rooms_vit_tiny_shared').path)


def test_a_frame_of_four_tasks_with_branches_takes_few_launches(four_encoders):
    with pretended_cuda() as device:
        assert max(launches_of(device, four_encoders)) <= 330


def test_a_frame_of_four_tasks_with_one_backbone_takes_few_launches():
    with pretended_cuda() as device:
        assert max(launches_of(device, backbone_of_all())) <= 200


def test_without_triton_a_frame_takes_twice_the_launches_and_no_more_waits(
        four_encoders, monkeypatch):
    monkeypatch.setattr(choosing, 'choose', lambda *args, **options: Chosen(PLAIN))
    monkeypatch.setattr(map_operator, 'choose_decoder',
                        lambda *args: ChosenDecoder(decode_patches))
    with pretended_cuda() as device:
        assert max(launches_of(device, four_encoders)) <= 480
        assert len(device.synchronisations) == 2
