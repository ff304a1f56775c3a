"""Mistakes that a GPU would let pass, or that would stop it, are found on the pretended one."""

from moving import frames, SIZE
import numpy as np
from pretended_cuda import pretended_cuda
from pretended_cuda.streams import PretendedEvent, PretendedStream
import pytest
import torch

from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.static.graphs import Upload
from mtshare_ros.model.checkpoint import load_checkpoint
from mtshare_ros.sharing.static.static_block import Rows
from mtshare_ros.sharing.static.static_network import StaticNetwork

ALIKE = 1e-4


@pytest.fixture(scope='module')
def checkpoint(tiny_model):
    return load_checkpoint(tiny_model)


@pytest.fixture(scope='module')
def expected(checkpoint):
    """Return the depth of every frame as the CPU has it."""
    return depths(Engine(checkpoint, device='cpu', fixed_shapes=True, input_size=SIZE))


def depths(engine, after=lambda session: None):
    """Return the depth of every frame; ``after`` the first one, something happens."""
    session, found = engine.new_session(), []
    for image in frames(8):
        found.append(engine.infer(image, session).depth)
        if len(found) == 6:
            after(session)
    return np.stack(found)


def on_gpu(checkpoint):
    return Engine(checkpoint, device='cuda', precision='fp32', input_size=SIZE)


def test_without_a_mistake_the_frames_are_those_of_the_cpu(checkpoint, expected):
    with pretended_cuda():
        np.testing.assert_allclose(depths(on_gpu(checkpoint)), expected, rtol=ALIKE)


def test_maps_that_are_read_before_the_wait_are_not_there(checkpoint, expected, monkeypatch):
    monkeypatch.setattr(PretendedEvent, 'synchronize', lambda event: None)
    with pretended_cuda(), pytest.raises((RuntimeError, AssertionError, ValueError)):
        np.testing.assert_allclose(depths(on_gpu(checkpoint)), expected, rtol=ALIKE)


@pytest.mark.parametrize('method', ['wait_stream', 'wait_event'])
def test_a_stream_that_does_not_wait_is_noticed(checkpoint, monkeypatch, method):
    monkeypatch.setattr(PretendedStream, method, lambda stream, other: None)
    with pretended_cuda(), pytest.raises(RuntimeError, match='on another stream'):
        depths(on_gpu(checkpoint))


def test_one_pinned_buffer_for_every_image_is_noticed(checkpoint, monkeypatch):
    buffers = {}

    def send(upload, values, buffer):
        pinned = buffers.setdefault(buffer.shape, torch.empty(
            buffer.shape, dtype=buffer.dtype, pin_memory=True))
        np.copyto(pinned.numpy(), values)
        buffer.copy_(pinned, non_blocking=True)
        np.copyto(pinned.numpy(), 0)

    monkeypatch.setattr(Upload, 'send', send)
    with pretended_cuda(), pytest.raises(RuntimeError, match='overwritten before its copy'):
        depths(on_gpu(checkpoint))


def test_a_buffer_that_was_replaced_after_the_capture_is_noticed(checkpoint):
    def replace(session):
        gate = session.static.state.gate
        gate.ages = gate.ages.clone()

    with pretended_cuda(), pytest.raises(RuntimeError, match='freed since the capture'):
        depths(on_gpu(checkpoint), after=replace)


@pytest.mark.parametrize('mistake', [
    lambda sums: sums + sums.sum().item(),
    lambda sums: sums + torch.ones(sums.shape).to(sums.device),
    lambda sums: sums[sums > 0].sum().expand_as(sums),
    lambda sums: sums + torch.tensor([0.0], device=sums.device)])
def test_what_cannot_be_captured_is_told_when_a_camera_is_prepared(
    checkpoint, monkeypatch, mistake
):
    right = StaticNetwork.sums

    def wrong(network, state, sums):
        right(network, state, sums)
        mistake(sums)

    monkeypatch.setattr(StaticNetwork, 'sums', wrong)
    with pretended_cuda():
        engine = on_gpu(checkpoint)
        told = engine.prepare(engine.new_session())
    assert 'not permitted when stream is capturing' in ' '.join(told)


@pytest.mark.parametrize('store, text', [
    (lambda buffer, index, values: buffer.index_copy_(1, index.cpu(), values), 'same device'),
    (lambda buffer, index, values: buffer.index_copy_(
        1, torch.arange(index.shape[0]), values), 'same device'),
    (lambda buffer, index, values: buffer.index_copy_(1, index, values.half()), 'dtype'),
    (lambda buffer, index, values: buffer.index_copy_(
        1, index // 2, values), 'different values to one place')])
def test_a_list_that_is_wrong_is_noticed(checkpoint, monkeypatch, store, text):
    monkeypatch.setattr(Rows, 'store', lambda rows, buffer, values: store(
        buffer, rows.index, values.expand(buffer.shape[0], -1, -1)))
    with pretended_cuda(), pytest.raises(RuntimeError, match=text):
        depths(on_gpu(checkpoint))
