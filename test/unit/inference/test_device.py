"""Device and precision: loud fall-back, clear refusal."""

from types import SimpleNamespace

import pytest
import torch

from mtshare_ros.errors import ConfigError, DeviceError
from mtshare_ros.inference.device import (
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

    with pytest.raises(DeviceError, match="'cuda:7', which is not there.*cuda:0, cuda:1 "):
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
