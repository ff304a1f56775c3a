"""Decode heads on a GPU: no waiting, nothing mixed, few launches."""

from head_shapes import network_of, SHAPES
from pretended_cuda import pretended_cuda
import pytest
from static_heads import HeadsCase
import torch

ROWS = torch.tensor((3, 4, 11, 12, 13, 20, 38, 47))
TOLERANCE = {torch.float32: 1e-5, torch.float16: 5e-3, torch.bfloat16: 4e-2}

CASES = [*((shape, torch.float16) for shape in SHAPES),
         *((shape, dtype) for shape in list(SHAPES)[3:5] for dtype in TOLERANCE)]

shapes = pytest.mark.parametrize('shape', SHAPES)


@pytest.fixture
def device():
    with pretended_cuda() as device:
        yield device


def heads_on_gpu(shape, dtype=torch.float16, **options):
    """Return heads on the device that have computed a frame."""
    return HeadsCase(
        network_of(shape), dtype=dtype, device=torch.device('cuda', 0), **options)


@pytest.mark.parametrize('shape, dtype', dict.fromkeys(CASES))
def test_whole_frames_and_updates_neither_wait_nor_mix_formats(device, shape, dtype):
    heads = heads_on_gpu(shape, dtype)
    cells = ROWS.to(heads.device)
    heads.renew(cells)
    lists = heads.lists(cells, more=3)
    device.clear()
    heads.heads.update(heads.state, heads.taps, heads.stem, lists)
    assert not device.synchronisations
    heads.check(TOLERANCE[dtype])
    device.clear()
    heads.heads.dense(heads.state, heads.taps, heads.stem)
    assert not device.synchronisations
    heads.check(TOLERANCE[dtype])


@pytest.mark.parametrize('shape, most', [
    ('heads of four encoders', 26), ('heads of one encoder', 26), ('two groups of four taps', 31)])
def test_the_launches_of_an_update(device, shape, most):
    heads = heads_on_gpu(shape)
    lists = heads.lists(ROWS.to(heads.device))
    device.clear()
    heads.heads.update(heads.state, heads.taps, heads.stem, lists)
    assert device.launches <= most


@shapes
def test_the_raw_outputs_are_float32_and_stay_where_they_are(shape):
    heads = HeadsCase(network_of(shape), dtype=torch.float16)
    before = {task: heads.raw(task) for task in heads.tasks}
    heads.change(ROWS)
    for task, raw in before.items():
        assert raw.dtype == torch.float32 and raw.data_ptr() == heads.raw(task).data_ptr()
        assert torch.equal(raw, heads.raw(task))
