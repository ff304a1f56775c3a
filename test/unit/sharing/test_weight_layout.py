"""How weights are laid out: by what a machine is, never by how busy it is."""

import pytest
import torch
from torch import nn

from mtshare_ros.errors import ConfigError
from mtshare_ros.sharing import memory as layout
from mtshare_ros.sharing.linear import PackedLinear
from mtshare_ros.sharing.memory import (
    AUTO,
    choose_layout,
    PACKED,
    packing_pays,
    PLAIN,
    Processor,
    processor,
)

INTEL, AMD, ARM = 'GenuineIntel', 'AuthenticAMD', ''


@pytest.fixture
def without_one_dnn(monkeypatch):
    monkeypatch.setattr(torch.backends.mkldnn, 'is_available', lambda: False)
    layout._packing_runs.cache_clear()
    yield
    layout._packing_runs.cache_clear()


@pytest.mark.parametrize(('vendor', 'mkl', 'dtype', 'pays'), [
    (INTEL, True, torch.float32, False),
    (INTEL, False, torch.float32, True),
    (INTEL, True, torch.bfloat16, True),
    (AMD, True, torch.float32, True),
    (AMD, True, torch.bfloat16, True),
    (ARM, False, torch.float32, False),
])
def test_vendor_and_arithmetic_decide(vendor, mkl, dtype, pays):
    assert packing_pays(dtype, Processor(vendor, mkl)) is pays


@pytest.mark.parametrize(('text', 'vendor'), [
    ('processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel name\t: EPYC\nvendor_id\t: None\n', AMD),
    ('processor\t: 0\nBogoMIPS\t: 62.5\nCPU implementer\t: 0x41\n', ARM),
    ('', ARM),
])
def test_the_vendor_is_read_from_what_the_system_says(tmp_path, text, vendor):
    path = tmp_path / 'cpuinfo'
    path.write_text(text)
    assert processor.__wrapped__(path).vendor == vendor


def test_a_system_that_says_nothing_of_its_cpu_has_no_vendor(tmp_path):
    assert processor.__wrapped__(tmp_path / 'absent').vendor == ''


@pytest.mark.parametrize('dtype', [torch.float32, torch.float16])
def test_weights_on_a_gpu_stay_plain(dtype):
    assert choose_layout(AUTO, 'cuda', dtype) == PLAIN


@pytest.mark.usefixtures('without_one_dnn')
def test_without_the_operators_of_pytorch_weights_stay_plain():
    weight = nn.Linear(16, 24).weight
    assert PackedLinear(weight, None, dtype=torch.float32)._matrix.layout == torch.strided


@pytest.mark.usefixtures('without_one_dnn')
def test_a_layout_that_cannot_run_here_is_refused():
    with pytest.raises(ConfigError, match="weight_layout is 'packed' for cpu in float32"):
        choose_layout(PACKED, 'cpu', torch.float32)


def test_the_callers_layout_wins():
    assert choose_layout(PLAIN, 'cpu', torch.float32) == PLAIN


def test_a_layout_that_there_is_not_is_refused():
    with pytest.raises(ConfigError, match='one of auto, packed, plain'):
        choose_layout('fastest', 'cpu', torch.float32)
