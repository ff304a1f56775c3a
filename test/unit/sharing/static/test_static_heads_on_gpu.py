"""Decode heads on a GPU: no waiting, nothing mixed, few launches."""

from head_shapes import network_of, SHAPES
from padded import padded
from pretended_cuda import pretended_cuda
import pytest
from static_heads import HeadsCase
import torch

from mtshare_ros.sharing.static.operators import FUSED, PLAIN

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
    patches = ROWS.to(heads.device)
    heads.renew(patches)
    lists = heads.lists(patches, more=3)
    device.clear()
    heads.heads.update(heads.state, heads.taps, heads.stem, lists)
    assert not device.synchronisations
    heads.check(TOLERANCE[dtype])
    device.clear()
    heads.heads.dense(heads.state, heads.taps, heads.stem)
    assert not device.synchronisations
    heads.check(TOLERANCE[dtype])


@pytest.mark.parametrize('shape, plain, fused', [
    ('heads of four encoders', 25, 14), ('heads of one encoder', 25, 14),
    ('two groups of four taps', 32, 17)])
@pytest.mark.parametrize('operators', [PLAIN, FUSED], ids=['plain', 'fused'])
def test_the_launches_of_an_update(device, shape, plain, fused, operators):
    heads = heads_on_gpu(shape, operators=operators)
    lists = heads.lists(ROWS.to(heads.device))
    device.clear()
    heads.heads.update(heads.state, heads.taps, heads.stem, lists)
    assert device.launches <= (plain if operators is PLAIN else fused)
    heads.check(TOLERANCE[torch.float16])


@shapes
def test_the_raw_outputs_are_float32_and_stay_where_they_are(shape):
    heads = HeadsCase(network_of(shape), dtype=torch.float16)
    before = {task: heads.raw(task) for task in heads.tasks}
    heads.change(ROWS)
    for task, raw in before.items():
        assert raw.dtype == torch.float32 and raw.data_ptr() == heads.raw(task).data_ptr()
        assert torch.equal(raw, heads.raw(task))


@pytest.mark.parametrize('shape', ['heads of four encoders', 'two groups of four taps',
                                   'linear heads', 'heads of all kinds'])
def test_a_graph_gives_what_lists_and_rows_ask_for_whenever_it_is_run(device, shape):
    heads = heads_on_gpu(shape, torch.float32)
    sums = torch.full((len(heads.tasks),), torch.nan, device=heads.device)
    lists, whole, update = heads.lists(ROWS.to(heads.device), more=99), *(
        torch.cuda.CUDAGraph() for _ in range(2))
    with torch.cuda.graph(whole):
        heads.heads.dense(heads.state, heads.taps, heads.stem)
    with torch.cuda.graph(update):
        heads.heads.update(heads.state, heads.taps, heads.stem, lists)
        heads.heads.sums(heads.state, sums)
    heads.renew(torch.arange(48, device=heads.device))
    whole.replay()
    heads.check()
    for start in (0, 7, 30):
        patches = start + torch.arange(8, device=heads.device)
        heads.renew(patches)
        overwrite(lists, heads.lists(patches))
        update.replay()
        heads.check()
    assert sums.isfinite().all()


def overwrite(lists, others):
    """Write the entries of other lists, which may be shorter, into lists that a graph reads."""
    pairs = [(lists.transmitted, others.transmitted), (lists.patches, others.patches)]
    for geometry, own in lists.heads.items():
        pairs += zip((*own.layers, own.affected),
                     (*others.heads[geometry].layers, others.heads[geometry].affected))
    for target, source in pairs:
        target.copy_(padded(source, len(target) - len(source)))
