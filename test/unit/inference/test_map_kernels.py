"""The kernel that decodes cells gives the maps of its plain twin."""

from pretended_cuda import pretended_cuda
import pytest
import torch

from mtshare_ros.inference.map_decoder import decode_patches, MapDecoder
from mtshare_ros.inference.static import map_operator
from mtshare_ros.inference.static.map_operator import choose_decoder, decode_patches_fused
from mtshare_ros.sharing.static import kernel_choice as choosing
from mtshare_ros.sharing.static.operators import KERNELS
from mtshare_ros.tasks import channels_of, get_task

DEVICE = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
GRID = (3, 4)
CELLS = [0, 3, 5, 6, 11, 11]
KINDS = [('semseg', ''), ('human_parts', ''), ('depth', ''), ('depth', 'metres'),
         ('depth', 'disparity'), ('normals', ''), ('edge', ''), ('saliency', '')]
NO_NUMBERS = pytest.mark.filterwarnings('ignore:(invalid value|divide by zero):RuntimeWarning')
SIDES = [(4, 16), (4, 14), (1, 14), (14, 14)]


def decode_with_kernel(geometry, encoding, raw, cells, maps):
    pytest.importorskip('triton', reason='the kernel needs Triton')
    enlargement = geometry.enlargement
    KERNELS['decode_patches'](raw, cells, maps, geometry.level.grid[1], enlargement.side,
                            enlargement.target, encoding)


def random_raw(task, side, classes=6):
    shape = 1, channels_of(get_task(task), classes), GRID[0] * side, GRID[1] * side
    return torch.randn(shape, generator=torch.Generator().manual_seed(0)).mul_(3).to(DEVICE)


def both(task, raw, side, patch_size, encoding='', cells=CELLS):
    """Return by name the map of the kernel and that of the twin."""
    found = []
    for decode in (decode_with_kernel, decode_patches):
        decoder = MapDecoder(task, side, patch_size, encoding, decode)
        state = decoder.allocate(GRID, DEVICE)
        for rows in state.maps.values():
            rows.fill_(7)
        decoder.update(state, raw, torch.tensor(cells, device=DEVICE))
        found.append(state.maps)
    return {name: (rows, found[1][name]) for name, rows in found[0].items()}


def assert_same(maps, unequal=0):
    """Compare; so many ``unequal`` shares may differ by a step."""
    for name, (found, expected) in maps.items():
        if found.dtype == torch.uint8:
            steps = (found.int() - expected.int()).abs()
            assert steps.max() <= (name not in ('mask', 'human_parts')), name
            assert (steps > 0).sum() <= unequal
        else:
            assert torch.allclose(found, expected, rtol=1e-5, atol=1e-5, equal_nan=True), name


@NO_NUMBERS
@pytest.mark.parametrize('side, patch_size', SIDES)
@pytest.mark.parametrize('task, encoding', KINDS)
def test_maps_of_patches_are_those_of_the_twin(task, encoding, side, patch_size):
    assert_same(both(task, random_raw(task, side), side, patch_size, encoding))


@NO_NUMBERS
@pytest.mark.parametrize('value', [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize('side, patch_size', SIDES[1:])
@pytest.mark.parametrize('task, encoding', KINDS)
def test_a_value_that_is_not_finite_spoils_the_pixels_that_it_spoils_in_the_twin(
        task, encoding, side, patch_size, value):
    raw = random_raw(task, side)
    raw[0, 0, side, side], raw[0, -1, 0, 0] = value, value

    assert_same(both(task, raw, side, patch_size, encoding))


@pytest.mark.parametrize('classes', [2, 150])
def test_any_number_of_classes_is_decoded(classes):
    assert_same(both('semseg', random_raw('semseg', 4, classes), 4, 14), unequal=2)


def test_equal_logits_give_the_first_class():
    maps = both('semseg', torch.zeros(1, 6, 12, 16, device=DEVICE), 4, 16)
    assert_same(maps)
    assert maps['mask'][0][0] == 0


def test_logits_far_apart_and_logits_that_hardly_differ_are_told_apart():
    raw = torch.full((1, 6, 12, 16), -3e38, device=DEVICE)
    raw[:, 4], raw[:, 5] = 0.0, 1e-30
    maps = both('semseg', raw, 4, 16)
    assert_same(maps)
    assert maps['mask'][0][0] == 5


def test_an_output_may_lie_in_memory_in_any_way():
    raw = random_raw('normals', 4)
    rows = torch.zeros(2, 12 * 16 + 1, 5, device=DEVICE)
    rows[1, :-1, :3] = raw[0].permute(1, 2, 0).flatten(0, 1)
    padded = rows[1, :-1].view(1, 12, 16, 5).permute(0, 3, 1, 2)[:, :3]

    assert not padded.is_contiguous()
    assert_same(both('normals', padded, 4, 16))
    assert torch.equal(both('normals', padded, 4, 16)['normals'][0],
                       both('normals', raw, 4, 16)['normals'][0])


@pytest.fixture
def gpu(monkeypatch):
    """Pretend a GPU, with Triton."""
    monkeypatch.setattr(map_operator, 'has_triton', lambda: True)
    with pretended_cuda() as device:
        yield device


@pytest.mark.parametrize('task, encoding', KINDS)
def test_a_list_of_patches_and_a_whole_frame_are_one_launch(gpu, task, encoding):
    chosen = choose_decoder(torch.device('cuda:0'), task, 4, 16, encoding)
    assert chosen.decode is decode_patches_fused and not chosen.notices
    decoder = MapDecoder(task, 4, 16, encoding, chosen.decode)
    state = decoder.allocate(GRID, torch.device('cuda:0'))
    raw = random_raw(task, 4).to('cuda:0')
    cells = torch.tensor(CELLS, device='cuda:0')
    gpu.clear()

    decoder.update(state, raw, cells)
    decoder.dense(state, raw)

    assert gpu.launches == 2 and not gpu.synchronisations


@pytest.mark.fault(33)
def test_without_triton_one_notice_says_so(gpu, monkeypatch):
    monkeypatch.setattr(map_operator, 'has_triton', lambda: False)
    chosen = choose_decoder(torch.device('cuda:0'), 'depth', 4, 16)
    assert chosen.decode is decode_patches and chosen.notices == (choosing.NO_TRITON,)


def one_class_too_many(geometry, encoding, raw, cells, maps):
    decode_patches(geometry, encoding, raw, cells, maps)
    maps[0][0] += 1


@pytest.mark.fault(33)
def test_a_kernel_that_takes_another_class_is_left_out_with_its_reason(gpu, monkeypatch):
    monkeypatch.setattr(map_operator, 'decode_patches_fused', one_class_too_many)

    chosen = choose_decoder(torch.device('cuda:0'), 'semseg', 4, 16)

    assert chosen.decode is decode_patches
    notice, = chosen.notices
    assert 'decode_patches of semseg, because the kernel differs' in notice


@pytest.mark.fault(33)
def test_what_lets_no_kernel_run_is_told_alike_for_every_task(gpu, monkeypatch):
    def broken(*arguments):
        raise RuntimeError('no C compiler')

    monkeypatch.setattr(map_operator, 'decode_patches_fused', broken)
    told = {choose_decoder(torch.device('cuda:0'), task, 4, 16).notices
            for task in ('semseg', 'depth', 'edge')}

    assert len(told) == 1 and 'decode_patches, because RuntimeError: no C' in str(told)


def test_the_cpu_decodes_plainly_and_has_nothing_to_tell():
    chosen = choose_decoder(torch.device('cpu'), 'semseg', 4, 16)
    assert chosen.decode is decode_patches and not chosen.notices
