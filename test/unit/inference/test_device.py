"""Devices and arithmetic: what is chosen, and what is said where it cannot be."""

import threading
from types import SimpleNamespace

import pytest
import torch

from mtshare_ros.errors import ConfigError, DeviceError
from mtshare_ros.inference.device import (
    computing_on,
    EXACT,
    explained_faults,
    free_cached_memory,
    resolve_device,
    resolve_precision,
)


def test_auto_takes_cuda_when_it_is_there():
    assert resolve_device('auto', cuda_devices=1).name == 'cuda'


@pytest.mark.fault(5)
def test_auto_falls_back_to_the_cpu_and_says_so():
    choice = resolve_device('auto', cuda_devices=0)
    assert choice.name == 'cpu'
    assert 'running on the CPU' in choice.notices[0]


@pytest.mark.fault(5)
def test_cuda_without_cuda_is_refused():
    with pytest.raises(DeviceError, match='no CUDA device'):
        resolve_device('cuda:1', cuda_devices=0)


@pytest.mark.fault(5)
def test_a_cuda_device_that_is_not_there_lists_those_that_are():
    assert resolve_device('cuda:1', cuda_devices=2).name == 'cuda:1'

    with pytest.raises(DeviceError, match="'cuda:7', which does not exist.*cuda:0, cuda:1 "):
        resolve_device('cuda:7', cuda_devices=2)


@pytest.mark.fault(5)
@pytest.mark.parametrize('requested', ['tpu', 'cuda:-1', 'cuda:x', 'cuda:', 'cuda0', 'cuda:01'])
def test_an_unknown_device_lists_the_allowed_ones(requested):
    with pytest.raises(ConfigError, match='auto, cpu, cuda'):
        resolve_device(requested, cuda_devices=1)


@pytest.mark.parametrize(('text', 'advice'), [
    ('CUDA error: out of memory', 'free memory'),
    ('NVML_SUCCESS == r INTERNAL ASSERT FAILED', 'free memory'),
    ('CUDA error: no kernel image is available for execution', 'must fit the GPU'),
])
def test_a_device_that_cannot_take_the_network_says_why_and_what_to_do(text, advice):
    with pytest.raises(DeviceError, match=f'on device cuda: {text}.*{advice}'):
        with explained_faults('cuda'):
            raise RuntimeError(text)


def test_what_is_no_fault_of_the_device_stays_what_it_is():
    with pytest.raises(RuntimeError, match='shapes'):
        with explained_faults('cuda'):
            raise RuntimeError('shapes cannot be multiplied')


@pytest.mark.parametrize('device, dtype', [('cuda', torch.float16), ('cpu', torch.float32)])
def test_automatic_precision_depends_on_the_device(device, dtype):
    assert resolve_precision('auto', device) == dtype


@pytest.mark.parametrize('requested', ['int8', 'fp16'])
def test_a_precision_the_cpu_lacks_is_refused(requested):
    with pytest.raises(ConfigError, match=f"'{requested}' on cpu"):
        resolve_precision(requested, 'cpu')


def test_pinned_memory_is_given_back_with_that_of_the_gpu_where_pytorch_can(monkeypatch):
    # Simulated: there is no accelerator in the tests.
    emptied = []
    memory = SimpleNamespace(empty_host_cache=lambda: emptied.append('host'))
    monkeypatch.setattr(torch.cuda, 'empty_cache', lambda: emptied.append('device'))
    for accelerator in (None, SimpleNamespace(is_available=lambda: False, memory=memory),
                        SimpleNamespace(is_available=lambda: True),
                        SimpleNamespace(is_available=lambda: True, memory=memory)):
        monkeypatch.setattr(torch, 'accelerator', accelerator, raising=False)
        free_cached_memory()
    assert emptied == ['device'] * 4 + ['host']


def switches():
    """Return what convolutions and products of matrices are allowed to lose."""
    matmul = torch.backends.cuda.matmul
    return (torch.backends.cudnn.allow_tf32, matmul.allow_tf32,
            matmul.allow_fp16_reduced_precision_reduction,
            matmul.allow_bf16_reduced_precision_reduction)


def test_nothing_is_rounded_more_than_was_asked_for_while_a_gpu_computes():
    before = switches()
    with EXACT.held():
        assert switches() == (False,) * 4
    assert switches() == before
    assert before[0], 'PyTorch rounds convolutions to TF32 unless told otherwise'


def test_an_exception_puts_the_switches_back():
    before = switches()
    with pytest.raises(ValueError, match='broken'):
        with EXACT.held():
            raise ValueError('broken')
    assert switches() == before


def test_threads_that_overlap_leave_the_switches_as_the_first_found_them():
    before, entered, leave = switches(), threading.Event(), threading.Event()

    def other():
        with EXACT.held():
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    with EXACT.held():
        thread.start()
        assert entered.wait(10)
    assert switches() == (False,) * 4  # the other one still computes
    leave.set()
    thread.join()
    assert switches() == before


def test_a_cpu_touches_no_switch():
    before = switches()
    with computing_on('cpu'):
        assert switches() == before


@pytest.mark.skipif(not hasattr(torch.backends.cuda.matmul, 'fp32_precision'),
                    reason='this PyTorch has no newer names of the switches')
def test_switches_that_the_program_turned_by_their_newer_names_are_put_back(monkeypatch):
    cudnn = torch.backends.cudnn
    monkeypatch.setattr(cudnn.conv, 'fp32_precision', 'tf32')
    monkeypatch.setattr(cudnn.rnn, 'fp32_precision', 'ieee')

    with EXACT.held():
        assert cudnn.conv.fp32_precision == 'ieee'

    assert (cudnn.conv.fp32_precision, cudnn.rnn.fp32_precision) == ('tf32', 'ieee')
