"""
A CUDA graph holds everything that it reads.

A table that is looked up while a graph is captured would be copied from the host, which a capture
forbids, or would live in a cache that may drop it: the graph would then read freed memory.
"""

from functools import partial
import gc
import sys

from camera_images import room_clip
from head_shapes import network_of
from pretended_cuda import pretended_cuda
import pytest
from static_heads import HeadsCase
from test_static_gate import Frame, LINEAR, LOCAL, StaticHost, STEMS
from test_static_launches import OnGpu
import torch

from mtshare_ros.inference.map_decoder import MapDecoder
from mtshare_ros.sharing.pixel_maps import Level
from mtshare_ros.sharing.static.fixed_lists import bucket_sizes
from mtshare_ros.tasks import channels_of, get_task, TASKS

KINDS = ('heads of four encoders', 'two groups of four taps', 'linear heads', 'dpt heads')
ROWS = torch.tensor((3, 4, 11, 12, 13, 20, 38, 47))


def drop_tables():
    """Empty every cache of the package, as cameras of many sizes would."""
    for name in [name for name in sys.modules if name.startswith('mtshare_ros.')]:
        values = list(vars(sys.modules[name]).values())
        inside = [item for value in values if isinstance(value, type)
                  for item in vars(value).values()]
        for item in (*values, *(getattr(item, '__func__', item) for item in inside)):
            if hasattr(item, 'cache_clear'):
                item.cache_clear()
    gc.collect()


def captured(work):
    """Return a graph of some work, captured without a table that the caches hold, or held."""
    work()  # what is made once is made
    drop_tables()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    drop_tables()
    return graph


@pytest.fixture
def device():
    with pretended_cuda() as device:
        yield device


@pytest.mark.parametrize('whole', [False, True])
@pytest.mark.parametrize('shape', KINDS)
def test_heads(device, shape, whole):
    heads = HeadsCase(network_of(shape), device=torch.device('cuda', 0))
    patches = ROWS.to(heads.device)
    heads.renew(patches)
    lists = heads.lists(patches, more=2)
    runner, given = heads.heads, (heads.state, heads.taps, heads.stem)
    graph = captured(partial(runner.dense, *given) if whole
                     else partial(runner.update, *given, lists))
    heads.renew(patches)
    graph.replay()
    heads.check()


@pytest.mark.parametrize('shape', [{}, {'stem': 'patch', 'position': 'absolute'}])
def test_stem_and_encoder(device, shape):
    gpu = OnGpu(device, torch.float32, **shape)

    def work():
        tokens = gpu.stem.update(gpu.stem_state, gpu.image, gpu.patches, gpu.patches)
        gpu.transformer.update(gpu.state, tokens, gpu.patches, gpu.forced, 7)

    graph = captured(work)
    found = []
    for again in (graph.replay, work):
        gpu.transformer.dense(gpu.state, gpu.stem.dense(gpu.stem_state, gpu.image))
        gpu.image.bitwise_not_()
        again()
        gpu.image.bitwise_not_()
        found.append([rows.cpu() for rows in gpu.state.taps.values()])
    for ours, theirs in zip(*found):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize('task', TASKS)
def test_maps(device, task):
    decoder = MapDecoder(task, 4, 16)
    state = decoder.allocate((6, 8), torch.device('cuda', 0))
    raw = torch.randn(1, channels_of(get_task(task), 40), 24, 32).to('cuda')
    patches = ROWS.to('cuda')
    graph = captured(partial(decoder.update, state, raw, patches))
    raw.neg_()
    graph.replay()
    found = decoder.maps(state)
    decoder.update(state, raw, patches)
    for name, values in decoder.maps(state).items():
        assert (found[name] == values).all()


@pytest.mark.parametrize('stem', STEMS)
def test_gate(device, stem):
    stem, where = STEMS[stem], torch.device('cuda', 0)
    first, *others, last = (stem.cut(image).to(where) for image in room_clip('static', 1.0)[:5])
    sizes, image, hosts = bucket_sizes(stem.grid, (LOCAL, LINEAR))[2], first.clone(), []
    for _ in range(2):
        hosts.append(StaticHost(stem, where))
        for seen in (first, *others):
            hosts[-1].see(seen, Frame())
        hosts[-1].gate.prepare_lists(hosts[-1].state, sizes)

    def work(host):
        host.gate.observe(host.state, image, learn=True)
        lists = host.gate.lists(host.state, sizes)
        host.gate.settle(host.state, lists)

    graph = captured(partial(work, hosts[0]))
    work(hosts[1])  # as often as before the capture
    image.copy_(last)
    graph.replay()
    work(hosts[1])
    for name in ('counts', 'ages', 'forced'):
        ours, theirs = (getattr(host.state, name).cpu() for host in hosts)
        assert torch.equal(ours, theirs), name


def test_a_table_that_is_looked_up_in_a_capture_is_caught(device):
    level, where = Level((6, 8), 4), torch.device('cuda', 0)
    rows, patches = level.allocate(3, torch.float32, where), ROWS.to(where)
    values = torch.ones(len(patches) * 16, 3, device=where)
    with pytest.raises(RuntimeError, match='captur'):
        captured(lambda: level.write(rows, patches, values))
