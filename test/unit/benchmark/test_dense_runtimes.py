"""Dense contenders in TensorRT: the calls are tested over a stand-in, the library needs a GPU."""

from dataclasses import replace
import sys

import numpy as np
import pytest
from tiny import TINY
import torch

pytest.importorskip('onnxscript', reason='exporting needs the extra [export]')
pytest.importorskip('onnxruntime', reason='exporting needs the extra [export]')

import tensorrt_stand_in  # noqa: E402

from mtshare_ros.benchmark import dense_contenders  # noqa: E402
from mtshare_ros.benchmark.dense_contenders import (  # noqa: E402
    build_pieces,
    DENSE_CONTENDERS,
    make_dense_contender,
)
from mtshare_ros.benchmark.dense_forms import FormChooser  # noqa: E402
from mtshare_ros.benchmark.dense_runtimes import EngineCompute, why_no_engine  # noqa: E402
from mtshare_ros.model.deltas import add_random_deltas, branch_out  # noqa: E402
from mtshare_ros.model.network import build_model  # noqa: E402
from mtshare_ros.tasks import DEFAULT_TASKS  # noqa: E402

SIZE = TINY.input_size
IMAGE = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)
CPU = torch.device('cpu')


@pytest.fixture(autouse=True)
def tensorrt(monkeypatch):
    """Put the stand-in where TensorRT would be."""
    monkeypatch.setitem(sys.modules, 'tensorrt', tensorrt_stand_in)
    return monkeypatch


@pytest.fixture(scope='module')
def network():
    torch.manual_seed(0)
    network = branch_out(build_model(TINY, DEFAULT_TASKS, 40).eval(), 1)
    add_random_deltas(network, density=0.5, scale=1.0)
    return network


def contender_in_engines(name, network, tasks=('depth', 'normals')):
    """Return a contender on the CPU that tries TensorRT, with what it noted."""
    chooser = FormChooser('cpu', compiling=False, rounds=1)
    pieces = replace(
        build_pieces(network, tasks, SIZE, device='cpu', dtype=torch.float32, chooser=chooser),
        engines=True)
    return make_dense_contender(name, network, tasks, pieces), pieces.notices


def always_faster(monkeypatch):
    monkeypatch.setattr(dense_contenders, 'capture', lambda *_: None)
    monkeypatch.setattr(dense_contenders, 'time_in_turns',
                        lambda *_: {'TensorRT': 1.0, 'PyTorch': 2.0})


def test_engines_give_maps_and_raw_outputs_of_the_network(network):
    compute = EngineCompute([(network, DEFAULT_TASKS)], SIZE, CPU, torch.float32)

    outputs = compute(torch.from_numpy(IMAGE).permute(2, 0, 1)[None])

    with torch.no_grad():
        expected = network(torch.from_numpy(IMAGE).permute(2, 0, 1)[None])
    for task in DEFAULT_TASKS:
        torch.testing.assert_close(outputs.raw[task], expected[task], rtol=1e-4, atol=1e-5)
    assert set(outputs.maps) == {'mask', 'confidence', 'depth', 'normals', 'edges'}


@pytest.mark.parametrize('name', [
    'shared_encoder', *(pytest.param(name, marks=pytest.mark.slow)
                        for name in DENSE_CONTENDERS if name != 'shared_encoder')])
def test_a_contender_that_is_faster_in_tensorrt_runs_there(name, network, tensorrt):
    always_faster(tensorrt)
    plain, _ = contender_in_engines(name, network)
    plain.use_if_faster(plain.compute, 'TensorRT')
    contender, notices = contender_in_engines(name, network)

    found, expected = contender.run(IMAGE), plain.run(IMAGE)

    assert contender.form == 'TensorRT'
    assert notices == [f'{name}: TensorRT 1.00 ms, PyTorch 2.00 ms']
    np.testing.assert_allclose(found.depth, expected.depth, rtol=1e-4)
    assert (found.normals is None) == (name == 'single')
    torch.testing.assert_close(contender.raw('depth'), plain.raw('depth'), rtol=1e-4, atol=1e-5)


def test_a_network_that_tensorrt_refuses_is_said_and_runs_in_pytorch(network, tensorrt):
    tensorrt.setattr(tensorrt_stand_in.OnnxParser, 'refuses', True)

    contender, notices = contender_in_engines('single', network)

    assert notices == ['single: TensorRT was left out: TensorRT cannot read the network: '
                       'In node 3: UNSUPPORTED_NODE']
    assert 'stem: ' in contender.form and contender.run(IMAGE).depth is not None


def test_why_there_are_no_engines_is_said(tensorrt):
    assert why_no_engine(torch.float16) == ''
    assert 'give --precision fp16' in why_no_engine(torch.bfloat16)
    tensorrt.setitem(sys.modules, 'tensorrt', None)
    assert 'TensorRT cannot be imported' in why_no_engine(torch.float16)
