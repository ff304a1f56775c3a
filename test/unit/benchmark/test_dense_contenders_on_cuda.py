"""The dense contenders run on a GPU, here a pretended one."""

from dataclasses import replace

import numpy as np
from pretended_cuda import pretended_cuda
import pytest
from tiny import TINY
import torch

from mtshare_ros.benchmark import dense_contenders, dense_forms
from mtshare_ros.benchmark.dense_contenders import (
    build_pieces,
    DENSE_CONTENDERS,
    make_dense_contender,
)
from mtshare_ros.benchmark.dense_forms import FormChooser
from mtshare_ros.inference.device import computing_on
from mtshare_ros.model.deltas import branch_out
from mtshare_ros.model.network import build_model
from mtshare_ros.tasks import DEFAULT_TASKS

SIZE = (96, 128)
IMAGE = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)
PUBLIC = {'stem': 'patch', 'class_token': True, 'register_tokens': 2, 'position': 'rope_centred'}


@pytest.fixture(autouse=True)
def no_graph(monkeypatch):
    """Let no contender choose a graph: which one is faster, a pretended device cannot tell."""
    monkeypatch.setattr(dense_contenders, 'capture', lambda *_: None)


def contenders(network, device, dtype=torch.float32):
    """Return all dense contenders of a network on a device."""
    pieces = build_pieces(network, DEFAULT_TASKS, SIZE, device=device, dtype=dtype,
                          chooser=FormChooser(device, compiling=False, rounds=1))
    return [make_dense_contender(name, network, DEFAULT_TASKS, pieces)
            for name in DENSE_CONTENDERS]


def maps_of(contender):
    """Return what a contender makes of the image, by name."""
    prediction = contender.run(IMAGE)
    names = ('mask', 'confidence', 'depth', 'normals', 'edges')
    return {name: getattr(prediction, name) for name in names
            if getattr(prediction, name) is not None}


@pytest.mark.parametrize('change', [{}, PUBLIC])
def test_the_maps_of_a_gpu_are_those_of_the_cpu(change):
    network = branch_out(build_model(replace(TINY, **change), DEFAULT_TASKS, 40), 1)
    expected = [maps_of(contender) for contender in contenders(network, 'cpu')]
    with pretended_cuda():
        found = [maps_of(contender) for contender in contenders(network, 'cuda:0')]

    for ours, theirs in zip(found, expected):
        assert ours.keys() == theirs.keys()
        for name, values in ours.items():
            np.testing.assert_allclose(values.astype(float), theirs[name].astype(float),
                                       rtol=1e-4, atol=1.0 if values.dtype == np.uint8 else 1e-5)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_the_work_of_every_contender_makes_nobody_wait(dtype):
    network = branch_out(build_model(TINY, DEFAULT_TASKS, 40), 1)
    with pretended_cuda() as device:
        image = torch.from_numpy(IMAGE).permute(2, 0, 1)[None].to('cuda:0')
        for contender in contenders(network, 'cuda:0', dtype):
            contender.compute(image)  # tables are made once
            device.clear()
            contender.compute(image)
            assert device.synchronisations == [], contender.name


def test_an_image_is_normalised_in_float32_whatever_the_precision():
    network = build_model(replace(TINY, image_mean=(123.675, 116.28, 103.53)), DEFAULT_TASKS, 40)
    with pretended_cuda():
        ready = dense_contenders.prepare(network, torch.device('cuda:0'), torch.float16)
        piece = dense_contenders.StemPiece(ready, (6, 8))
        assert piece.normalize.mean.dtype == torch.float32
        assert piece.normalize.mean.flatten().tolist() == pytest.approx([123.675, 116.28, 103.53])


@pytest.mark.parametrize('device', ['cuda:0', 'cuda:1'])
def test_a_contender_in_a_graph_computes_the_same_without_the_host_on_its_own_device(
    device, monkeypatch
):
    monkeypatch.setattr(
        dense_forms, 'time_in_turns',
        lambda calls, *_: {name: float(name != 'graph') for name in calls})
    network = branch_out(build_model(TINY, DEFAULT_TASKS, 40), 1)
    with pretended_cuda(devices=2) as gpus:
        contender = contenders(network, device, torch.float16)[DENSE_CONTENDERS.index('dense')]
        image = torch.from_numpy(IMAGE).permute(2, 0, 1)[None].to(device)
        with computing_on(device):
            maps = contender.compute(image).maps
            expected = {name: value.clone() for name, value in maps.items()}
            graphed = dense_forms.capture(contender.compute, SIZE, torch.device(device), 1)
            gpus.clear()
            found = graphed(image).maps
        assert (gpus.launches, gpus.synchronisations) == (2, [])
        for name, value in expected.items():
            assert torch.equal(found[name].cpu(), value.cpu()), name
        assert gpus.touched == {torch.device(device).index}
