"""The engine on a GPU, here a pretended one."""

import copy
from dataclasses import replace

import numpy as np
from pretended_cuda import pretended_cuda
import pytest
import torch

from mtshare_ros.errors import DeviceError
from mtshare_ros.inference.device import is_out_of_memory
from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.frame_path import StageClock
from mtshare_ros.inference.static import map_operator
from mtshare_ros.model.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from mtshare_ros.model.description import Peak
from mtshare_ros.nodes.perception.pipeline import run_with_retry
from mtshare_ros.sharing.static import kernel_choice as choosing
from mtshare_ros.sharing.stem import StemRunner


@pytest.fixture(scope='module')
def checkpoint(tiny_model):
    return load_checkpoint(tiny_model)


def test_reading_the_clock_waits_for_its_last_mark_and_once():
    with pretended_cuda() as device:
        clock = StageClock('cuda:0')
        clock.lap('gate')
        clock.lap('blocks')
        device.clear()
        clock.stages()
        clock.stages()
        clock.total_ms()
        assert [wait.kind for wait in device.synchronisations] == ['event.synchronize']


@pytest.mark.fault(33)
def test_a_gpu_without_triton_is_told_of_once(checkpoint, monkeypatch):
    for module in (choosing, map_operator):
        monkeypatch.setattr(module, 'has_triton', lambda: False)
    with pretended_cuda():
        notices = Engine(checkpoint, device='cuda:0').notices
    assert notices.count(choosing.NO_TRITON) == 1


def test_a_stage_that_ends_after_the_clock_was_read_is_waited_for():
    with pretended_cuda() as device:
        clock = StageClock('cuda:0')
        clock.lap('gate')
        clock.stages()
        clock.lap('blocks')
        device.clear()
        assert list(clock.stages()) == ['gate', 'blocks']
        assert len(device.synchronisations) == 1


def test_the_costs_of_a_gpu_are_measured_on_frames_with_their_gates_and_their_download(checkpoint):
    with pretended_cuda() as device:
        engine = Engine(checkpoint, device='cuda:0')
        device.clear()
        assert 0 <= engine.costs.crossover <= 1
        waits = {wait.line for wait in device.synchronisations}
        downloads = [line for line in waits if 'graphs.py' in line and 'camera.py' in line]
        assert len(downloads) == 2  # the gate's counts, and the maps


def roundings():
    """Return whether convolutions, products of matrices and their sums may be rounded more."""
    matmul = torch.backends.cuda.matmul
    return (torch.backends.cudnn.allow_tf32, matmul.allow_tf32,
            matmul.allow_fp16_reduced_precision_reduction)


@pytest.mark.parametrize('precision', ['fp32', 'fp16'])
def test_a_frame_is_computed_without_rounding_more_than_its_precision(
    checkpoint, precision, monkeypatch
):
    seen, before = [], roundings()
    lap = StageClock.lap

    def note(clock, stage):
        seen.append(roundings())
        lap(clock, stage)

    monkeypatch.setattr(StageClock, 'lap', note)
    with pretended_cuda():
        engine = Engine(checkpoint, device='cuda:0', precision=precision)
        engine.infer(np.zeros((96, 128, 3), np.uint8))
    assert set(seen) == {(False, False, False)}
    assert roundings() == before


def test_every_tool_is_told_what_to_do_where_a_frame_finds_no_memory(checkpoint, monkeypatch):
    def full(*_):
        raise RuntimeError('NVML_SUCCESS == r INTERNAL ASSERT FAILED')

    with pretended_cuda():
        engine = Engine(checkpoint, device='cuda:0')
        monkeypatch.setattr(StemRunner, 'dense', full)
        with pytest.raises(DeviceError, match='device cuda:0.*NVML.*smaller input_size') as raised:
            engine.infer(np.zeros((96, 128, 3), np.uint8))
    assert is_out_of_memory(raised.value)


def test_a_fault_in_the_middle_of_a_frame_is_not_taken_for_a_wrong_installation(
    checkpoint, monkeypatch
):
    def broken(*_):
        raise RuntimeError('CUDA error: an illegal memory access was encountered')

    with pretended_cuda():
        engine = Engine(checkpoint, device='cuda:0')
        monkeypatch.setattr(StemRunner, 'dense', broken)
        with pytest.raises(RuntimeError, match='illegal memory access'):
            engine.infer(np.zeros((96, 128, 3), np.uint8))


def test_who_computes_in_halves_is_told_what_they_cannot_hold(checkpoint):
    weighty = copy.deepcopy(checkpoint.network)
    weighty.blocks[0].mlp.fc1.weight.data[0, 0] = 1e5
    described = replace(checkpoint.description, peaks=(Peak('blocks.0.mlp.fc1', 3e4),))
    with pretended_cuda():
        told = {precision: ' '.join(Engine(Checkpoint(weighty, described), device='cuda:0',
                                           precision=precision).notices)
                for precision in ('fp16', 'bf16', 'fp32')}
    assert 'the weight blocks.0.mlp.fc1.weight holds 100,000' in told['fp16']
    assert 'the layer blocks.0.mlp.fc1 reached 30,000' in told['fp16']
    assert 'fp16' not in told['bf16'] + told['fp32']


def test_an_overflow_that_nobody_measured_is_told_when_the_model_is_loaded(
    checkpoint, tmp_path
):
    weighty = copy.deepcopy(checkpoint.network)
    weighty.blocks[0].mlp.fc1.weight.data *= 1e4
    weighty.blocks[0].mlp.fc2.weight.data *= 1e4
    path = tmp_path / 'weighty.safetensors'
    save_checkpoint(path, weighty, checkpoint.description)
    with pretended_cuda():
        loaded = {precision: Engine.load(str(path), device='cuda:0', precision=precision).notices
                  for precision in ('fp16', 'fp32')}
    assert any('NaN or infinity for semseg' in line and 'bf16 or fp32' in line
               for line in loaded['fp16'])
    assert not any('NaN' in line for line in loaded['fp32'])


def test_another_gpu_than_the_first_is_used_alone(checkpoint):
    frame = np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)
    with pretended_cuda(devices=2) as device:
        engine = Engine(checkpoint, device='cuda:1')
        session = engine.new_session()
        for shift in (0, 16):
            prediction = engine.infer(np.roll(frame, shift, axis=1), session)
        assert engine.costs.dense_ms > 0
        session.release('out of memory')
        engine.free_memory()
        assert device.touched == {1}
    assert prediction.stats.total_ms > 0


def test_a_frame_that_finds_no_memory_on_a_jetson_is_computed_once_some_was_let_go(checkpoint):
    with pretended_cuda(jetson=True):
        engine = Engine(checkpoint, device='cuda:0')
        session, frame = engine.new_session(), np.zeros((96, 128, 3), np.uint8)
        engine.infer(frame, session)
        other = engine.with_input_size((192, 256))
        full = torch.cuda.memory_allocated() + 1000
        total = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction(full / total)

        def make_room(error):
            assert 'NVML_SUCCESS' in str(error)
            session.release('out of memory')
            engine.free_memory()
            torch.cuda.set_per_process_memory_fraction(1.0)

        large = np.zeros((192, 256, 3), np.uint8)
        prediction = run_with_retry(lambda: other.infer(large, session), make_room)
    assert prediction.stats.reset_reason == 'out of memory'
