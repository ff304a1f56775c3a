"""Maps that stay up to date cell by cell equal those decoded from the whole output."""

import numpy as np
import pytest
import torch

from mtshare_ros.inference.map_decoder import MapDecoder
from mtshare_ros.inference.postprocess import decode
from mtshare_ros.tasks import channels_of, get_task, TASKS

GRID = (4, 5)
SIZE = (64, 80)
LISTS = {
    'one': [7], 'corners': [0, 4, 15, 19], 'edge': [5, 10], 'row': [5, 6, 7, 8, 9],
    'scattered': [1, 3, 11, 18], 'none': [], 'all': list(range(20)),
}


def random_raw(task, seed=0):
    """Return a raw output (1, C, H/4, W/4) laid out as the heads keep theirs."""
    generator = torch.Generator().manual_seed(seed)
    shape = (1, channels_of(get_task(task), 40), GRID[0] * 4, GRID[1] * 4)
    raw = torch.randn(shape, generator=generator) * 3
    return raw.contiguous(memory_format=torch.channels_last)


def with_pixels(raw, other, cells, border=0):
    """Return the output with the inner pixels of cells taken from another one."""
    mask = torch.zeros(raw.shape[2:], dtype=torch.bool)
    for cell in cells:
        top, left = cell // GRID[1] * 4, cell % GRID[1] * 4
        mask[top + border:top + 4 - border, left + border:left + 4 - border] = True
    return torch.where(mask, other, raw).contiguous(memory_format=torch.channels_last)


class Maps:
    """A decoder with its state."""

    def __init__(self, task):
        self.task, self.raw = task, random_raw(task)
        self.decoder = MapDecoder(task, 4, 16)
        self.state = self.decoder.allocate(GRID, torch.device('cpu'))
        self.decoder.dense(self.state, self.raw)

    def update(self, raw, cells):
        self.raw = raw
        self.decoder.update(self.state, raw, torch.tensor(cells, dtype=torch.int64))

    def found(self):
        return self.decoder.maps(self.state)

    def check(self):
        """Compare with the maps of the whole output; roundings may differ by one step."""
        for name, expected in decode(self.task, self.raw, SIZE).items():
            found = self.found()[name]
            assert found.shape == expected.shape and found.dtype == expected.dtype
            if name in ('mask', 'human_parts'):
                assert (found != expected).mean() < 1e-3
            elif found.dtype == np.uint8:
                assert np.abs(found.astype(int) - expected).max() <= 1
            else:
                assert np.allclose(found, expected, atol=1e-5, rtol=1e-5, equal_nan=True)


@pytest.fixture(params=list(TASKS))
def maps(request):
    with torch.inference_mode():
        yield Maps(request.param)


def test_a_dense_frame_gives_the_maps_of_the_whole_output(maps):
    maps.check()


@pytest.mark.parametrize('name', LISTS)
def test_changed_patches_give_the_maps_of_the_whole_output(maps, name):
    cells = LISTS[name]
    # one pixel inside the cells, so that no other cell sees the change
    maps.update(with_pixels(maps.raw, random_raw(maps.task, 1), cells, border=1), cells)
    maps.check()


def test_changes_after_changes_give_the_maps_of_the_whole_output(maps):
    for seed, cells in enumerate(LISTS.values(), start=1):
        changed = with_pixels(maps.raw, random_raw(maps.task, seed), cells, border=1)
        maps.update(changed, cells)
    maps.check()


def test_patches_beside_a_change_see_it_at_their_edge(maps):
    changed = with_pixels(maps.raw, random_raw(maps.task, 1), [7])
    maps.update(changed, [1, 2, 3, 6, 7, 8, 11, 12, 13])
    maps.check()


def test_patches_not_named_keep_their_maps(maps):
    before = maps.found()
    maps.update(random_raw(maps.task, 1), [0])
    for name, found in maps.found().items():
        assert np.array_equal(found[:, 16:], before[name][:, 16:])
        assert np.array_equal(found[16:], before[name][16:])
        assert not np.array_equal(found[:16, :16], before[name][:16, :16])


def test_an_output_in_planes_gives_the_same_maps(maps):
    expected = maps.found()
    maps.decoder.dense(maps.state, maps.raw.contiguous())
    for name, found in maps.found().items():
        assert np.array_equal(found, expected[name])


def test_the_arrays_belong_to_the_caller(maps):
    first = maps.found()
    kept = {name: found.copy() for name, found in first.items()}
    maps.update(random_raw(maps.task, 1), LISTS['all'])
    for name, found in first.items():
        assert found.flags.writeable
        assert np.array_equal(found, kept[name], equal_nan=found.dtype != np.uint8)


@pytest.mark.parametrize('value', [torch.nan, torch.inf, -torch.inf])
def test_a_value_that_is_not_finite_spoils_the_pixels_it_spoils_in_the_whole_output(maps, value):
    raw = maps.raw.clone()
    raw[0, 0, 6, 6] = value
    maps.update(raw, [0, 1, 2, 5, 6, 7, 10, 11, 12])
    maps.check()


def test_a_spoilt_patch_recovers(maps):
    good = maps.raw
    maps.update(torch.full_like(good, torch.nan), LISTS['all'])
    maps.update(good, LISTS['all'])
    maps.check()


def test_equal_logits_give_the_first_class():
    with torch.inference_mode():
        maps = Maps('semseg')
        maps.update(torch.zeros_like(maps.raw), LISTS['all'])
    assert (maps.found()['mask'] == 0).all()
    assert (maps.found()['confidence'] == round(255 / 40)).all()


def test_the_memory_of_a_camera_is_counted():
    pixels = GRID[0] * GRID[1] * 256 + 1
    assert Maps('semseg').state.nbytes == pixels * 2
    assert Maps('normals').state.nbytes == pixels * 3 * 4


@pytest.mark.parametrize(
    'side, patch_size', [(1, 14), (4, 14), (8, 14), (14, 14), (1, 16), (8, 16)])
@pytest.mark.parametrize('task', ['semseg', 'normals'])
def test_patches_of_any_number_of_pixels_give_the_maps_of_the_whole_output(task, side, patch_size):
    generator = torch.Generator().manual_seed(0)
    size = GRID[0] * patch_size, GRID[1] * patch_size
    raws = torch.randn(2, 1, channels_of(get_task(task), 40), GRID[0] * side, GRID[1] * side,
                       generator=generator)
    decoder = MapDecoder(task, side, patch_size)
    state = decoder.allocate(GRID, torch.device('cpu'))
    decoder.dense(state, raws[0])
    changed = raws[0].clone()
    changed[..., :side, :side] = raws[1][..., :side, :side]
    decoder.update(state, changed, torch.tensor([0, 1, 5, 6]))
    found = decoder.maps(state)
    for name, expected in decode(task, changed, size).items():
        assert found[name].shape == expected.shape
        difference = np.abs(found[name].astype(float) - expected)
        assert (difference > (1 if name == 'confidence' else 1e-4)).mean() < 1e-3


def test_a_value_that_is_not_finite_stays_in_its_neighbourhood_where_sides_do_not_divide():
    raw = torch.zeros(1, 1, GRID[0] * 4, GRID[1] * 4)
    raw[0, 0, 6, 6] = torch.nan
    decoder = MapDecoder('depth', 4, 14)
    state = decoder.allocate(GRID, torch.device('cpu'))
    decoder.dense(state, raw)
    assert np.array_equal(np.isnan(decoder.maps(state)['depth']),
                          np.isnan(decode('depth', raw, (56, 70))['depth']))
