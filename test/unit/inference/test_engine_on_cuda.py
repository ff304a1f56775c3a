"""The engine on a GPU, here a pretended one."""

import numpy as np
from pretended_cuda import pretended_cuda
import pytest
import torch

from mtshare_ros.errors import DeviceError
from mtshare_ros.inference.clock import StageClock
from mtshare_ros.inference.device import is_out_of_memory
from mtshare_ros.inference.engine import Engine
from mtshare_ros.model.checkpoint import load_checkpoint
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
        lines = ' '.join(wait.line for wait in device.synchronisations)
        assert 'plan.py' in lines and 'maps.py' in lines


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
