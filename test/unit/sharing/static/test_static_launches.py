"""
Stem and encoder on a GPU: no waiting, nothing mixed, few launches.

They are counted in float16, in which there are the most of them.
"""

from branched import branched_network
from padded import padded
from pretended_cuda import pretended_cuda
import pytest
import torch

from mtshare_ros.model.architecture import HeadConfig
from mtshare_ros.sharing.static.operators import FUSED, PLAIN
from mtshare_ros.sharing.static.static_encoder import StaticTransformer
from mtshare_ros.sharing.static.static_stem import StaticStem
from mtshare_ros.tasks import DEFAULT_TASKS

ROWS = (3, 4, 11, 12, 13, 20, 38, 47)
PATCHES = {'stem': 'patch', 'class_token': True, 'position': 'absolute'}
SHAPES = {'convolutions': {}, 'patches': PATCHES}

shapes = pytest.mark.parametrize('shape', SHAPES)
dtypes = pytest.mark.parametrize('dtype', [torch.float32, torch.float16, torch.bfloat16])


class OnGpu:
    """Stem and encoder of a network on the pretended device."""

    def __init__(self, device, dtype, tasks=DEFAULT_TASKS, operators=PLAIN, *, reuse=1,
                 **shape):
        self.device, where = device, torch.device('cuda', 0)
        network = branched_network(**shape).requires_grad_(False).to(where)
        self.stem = StaticStem(network, dtype, operators)
        self.transformer = StaticTransformer(network, tasks, dtype, operators, reuse=reuse)
        self.stem_state = self.stem.allocate((6, 8), where)
        self.state = self.transformer.allocate((6, 8))
        image = torch.arange(96 * 128 * 3).remainder(251).to(torch.uint8).view(96, 128, 3)
        self.image = image.to(where).permute(2, 0, 1)[None]
        self.patches = padded(torch.tensor(ROWS)).to(where)
        self.forced = (self.patches == 13).to(where)
        self.tokens = self.stem.dense(self.stem_state, self.image)
        self.transformer.dense(self.state, self.tokens)

    def launches(self, work, *arguments):
        """Return the launches of a piece of work, which may not wait for the device."""
        self.device.clear()
        work(*arguments)
        assert self.device.synchronisations == []
        return self.device.launches

    def of_stem(self):
        return self.launches(
            self.stem.update, self.stem_state, self.image, self.patches, self.patches)

    def of_encoder(self, kept=None):
        kept = len(self.patches) if kept is None else kept
        return self.launches(self.transformer.update, self.state, self.tokens[self.patches],
                             self.patches, self.forced, kept)


@pytest.fixture
def device():
    with pretended_cuda() as device:
        yield device


@dtypes
@shapes
@pytest.mark.parametrize('operators', [PLAIN, FUSED], ids=['plain', 'fused'])
@pytest.mark.parametrize('reuse', [1, 2])
def test_whole_frames_and_updates_neither_wait_nor_mix_formats(
    device, shape, dtype, operators, reuse
):
    gpu = OnGpu(device, dtype, operators=operators, reuse=reuse, **SHAPES[shape])
    gpu.launches(gpu.transformer.dense, gpu.state, gpu.stem.dense(gpu.stem_state, gpu.image))
    gpu.of_stem()
    gpu.of_encoder(kept=9)
    assert all(rows.isfinite().all() for rows in gpu.state.taps.values())


@pytest.mark.parametrize('shape, operators, most', [
    ('convolutions', PLAIN, 19), ('patches', PLAIN, 6),
    ('convolutions', FUSED, 16), ('patches', FUSED, 3)])
def test_the_launches_of_the_stem(device, shape, operators, most):
    gpu = OnGpu(device, torch.float16, operators=operators, **SHAPES[shape])
    assert gpu.of_stem() <= most


@shapes
@pytest.mark.parametrize('tasks, operators, most', [
    (('depth',), PLAIN, 16), (DEFAULT_TASKS, PLAIN, 20),
    (('depth',), FUSED, 9), (DEFAULT_TASKS, FUSED, 9)])
def test_the_launches_of_a_block(device, shape, tasks, operators, most):
    few, more = (OnGpu(device, torch.float16, tasks, operators, depth=depth,
                       **SHAPES[shape]).of_encoder() for depth in (3, 4))
    assert more - few <= most


@pytest.mark.parametrize('shape, kept, most', [
    ('convolutions', None, 4), ('convolutions', 9, 6), ('patches', None, 4), ('patches', 9, 5)])
def test_the_launches_round_the_blocks(device, shape, kept, most):
    two, four = (OnGpu(device, torch.float16, operators=FUSED, depth=depth, prefix=depth,
                       **SHAPES[shape]).of_encoder(kept) for depth in (2, 4))
    assert two - (four - two) <= most


def test_the_launches_of_a_tap(device):
    heads = {'semseg': HeadConfig(taps=(1, 2, 3, 4)), 'depth': HeadConfig(taps=(1, 2, 3, 4))}
    last, four = (OnGpu(device, torch.float16, ('semseg', 'depth'), FUSED, prefix=4, heads=read)
                  .of_encoder() for read in ({}, heads))
    assert four - last <= 3


@shapes
@pytest.mark.parametrize('operators, most', [(PLAIN, 30), (FUSED, 15)])
def test_the_launches_of_a_block_with_reused_rows(device, shape, operators, most):
    few, more = (OnGpu(device, torch.float16, operators=operators, reuse=2, depth=depth,
                       **SHAPES[shape]).of_encoder() for depth in (3, 4))
    assert more - few <= most


@pytest.mark.parametrize('shape, most', [('convolutions', 19), ('patches', 19)])
def test_the_launches_round_the_blocks_with_reused_rows(device, shape, most):
    every, some = (OnGpu(device, torch.float16, operators=FUSED, reuse=reuse,
                         **SHAPES[shape]).of_encoder() for reuse in (1, 2))
    assert some - every - 2 * (15 - 9) <= most


def test_the_launches_of_the_cut_without_kernels(device):
    gpu = OnGpu(device, torch.float16)
    assert gpu.of_encoder(kept=5) - gpu.of_encoder() <= 10
