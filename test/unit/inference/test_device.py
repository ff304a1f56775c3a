"""Device and precision: loud fall-back, clear refusal."""

import pytest
import torch

from mtshare_ros.errors import ConfigError, DeviceError
from mtshare_ros.inference.device import resolve_device, resolve_precision


def test_auto_takes_cuda_when_it_is_there():
    assert resolve_device('auto', cuda_available=True).name == 'cuda'


@pytest.mark.fault(5)
def test_auto_falls_back_to_the_cpu_and_says_so():
    choice = resolve_device('auto', cuda_available=False)
    assert choice.name == 'cpu'
    assert 'running on the CPU' in choice.notices[0]


@pytest.mark.fault(5)
def test_cuda_without_cuda_is_refused():
    with pytest.raises(DeviceError, match='no CUDA device'):
        resolve_device('cuda:1', cuda_available=False)


@pytest.mark.fault(5)
def test_an_unknown_device_lists_the_allowed_ones():
    with pytest.raises(ConfigError, match='auto, cpu, cuda'):
        resolve_device('tpu', cuda_available=True)


@pytest.mark.parametrize('device, dtype', [('cuda', torch.float16), ('cpu', torch.float32)])
def test_automatic_precision_depends_on_the_device(device, dtype):
    assert resolve_precision('auto', device) == dtype


@pytest.mark.parametrize('requested', ['int8', 'fp16'])
def test_a_precision_the_cpu_lacks_is_refused(requested):
    with pytest.raises(ConfigError, match=f"'{requested}' on cpu"):
        resolve_precision(requested, 'cpu')
