"""Maps without weights are worked out in a graph of a GPU, which asks for nothing."""

from pretended_cuda import pretended_cuda
import pytest
import torch

from mtshare_ros.image_frame import Pinhole
from mtshare_ros.inference.geometry_decoder import GeometryDecoder
from mtshare_ros.sharing.head import HeadGeometry

GRID, SIDE, PATCH_SIZE = (6, 8), 4, 16
GPU, CPU = torch.device('cuda', 0), torch.device('cpu')
CAMERAS = Pinhole(100.0, 101.0, 63.5, 47.5), Pinhole(140.0, 139.0, 60.0, 50.0)
CELLS = {'few': [9, 10, 18, 18], 'most': list(range(40))}
KINDS = [('normals', 'log_metres', False), ('edge', 'log_metres', True), ('edge', 'metres', False),
         ('edge', 'disparity', True)]


@pytest.fixture(params=KINDS, ids=lambda kind: f'{kind[0]} from {kind[1]}')
def kind(request):
    return request.param


class Scene:
    """Raw depths and masks of two frames, which differ everywhere."""

    def __init__(self, encoding, labelled, device):
        made = torch.Generator().manual_seed(0)
        size = GRID[0] * SIDE, GRID[1] * SIDE
        depths = [1 + 0.3 * torch.rand(size, generator=made) for _ in range(2)]
        depths[1][::7, ::5] = torch.nan
        masks = [torch.randint(0, 3, (GRID[0] * PATCH_SIZE, GRID[1] * PATCH_SIZE), generator=made,
                               dtype=torch.uint8) for _ in range(2)]
        self.depths = [depth.to(device) for depth in depths]
        self.masks = [mask.to(device) if labelled else None for mask in masks]


def decoder_of(task, encoding, labelled):
    return GeometryDecoder(task, encoding, SIDE, PATCH_SIZE, labelled=labelled)


def numbers_of(camera):
    return torch.tensor([camera.fx, camera.fy, camera.cx, camera.cy])


def expected(kind, cells):
    """Return the raw output of the engine, the second frame of which changed cells."""
    decoder, scene = decoder_of(*kind), Scene(*kind[1:], CPU)
    state = decoder.allocate(GRID, CPU)
    for number in range(2):
        depth, mask = scene.depths[number], scene.masks[number]
        decoder.compute(state, depth, mask, decoder.own_camera(CAMERAS[number]),
                         None if number == 0 else torch.tensor(cells))
    return state.raw


@pytest.mark.parametrize('name', CELLS)
def test_patches_are_computed_in_a_graph_as_without_one(kind, name):
    decoder = decoder_of(*kind)
    with pretended_cuda() as device:
        scene = Scene(*kind[1:], GPU)
        depth, mask = scene.depths[0].clone(), scene.masks[0]
        mask = None if mask is None else mask.clone()
        camera = numbers_of(decoder.own_camera(CAMERAS[0])).to(GPU)
        cells = torch.zeros(len(CELLS[name]), dtype=torch.int64, device=GPU)
        state, graphs = decoder.allocate(GRID, GPU), []
        for listed in (None, cells):
            graphs.append(torch.cuda.CUDAGraph())
            with torch.cuda.graph(graphs[-1]):
                decoder.compute(state, depth, mask, camera, listed)
        graphs[0].replay()
        depth.copy_(scene.depths[1])
        if mask is not None:
            mask.copy_(scene.masks[1])
        cells.copy_(torch.tensor(CELLS[name]))
        camera.copy_(numbers_of(decoder.own_camera(CAMERAS[1])))
        device.clear()
        graphs[1].replay()
        assert not device.synchronisations
        found = state.raw.cpu()
    torch.testing.assert_close(
        found, expected(kind, CELLS[name]), rtol=1e-4, atol=1e-5, equal_nan=True)


def test_the_patches_that_a_frame_reaches_are_told_before_it_is_computed():
    local, far = HeadGeometry(4, (3,), (1,), (1,), 1), HeadGeometry(4, (), (), (), 3)
    normals, edge = decoder_of('normals', '', False), decoder_of('edge', '', True)
    assert normals.geometry({'depth': local}) == HeadGeometry(4, (), (), (), 2)
    assert edge.geometry({'depth': local, 'semseg': far}).patch_border == 3 + edge.border
    assert edge.geometry({'depth': local, 'semseg': None}) is None
