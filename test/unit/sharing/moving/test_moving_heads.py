"""Heads on some patches of a moving view give what dense heads give there, out of nothing old."""

from moving_heads import JUNK, View, with_pyramids, with_taps
import pytest
from sparse_parts import GRID, MASKS, rows_of
import torch
from torch.nn import functional

from mtshare_ros.errors import ConfigError
from mtshare_ros.inference.map_decoder import MapDecoder
from mtshare_ros.sharing.head import make_head
from mtshare_ros.sharing.moving.moving_heads import MovingHeads
from mtshare_ros.tasks import DEFAULT_TASKS

NETWORKS = {'pyramids': with_pyramids, 'taps': with_taps}


@pytest.fixture(scope='module', params=NETWORKS)
def known_view(request):
    with torch.inference_mode():
        return View.of(NETWORKS[request.param]())


@pytest.fixture
def view(known_view):
    with torch.inference_mode():
        known_view.forget()
        yield known_view


def pixels_of(mask, border=0):
    """Return the pixels (h, w) bool at 4 a side of a mask's patches and a border round them."""
    pixels = mask.repeat_interleave(4, 0).repeat_interleave(4, 1)[None].float()
    return functional.max_pool2d(pixels, 1 + 2 * border, 1, border)[0] > 0


def assert_dense_on(view, mask, tasks=DEFAULT_TASKS, **tolerance):
    where = pixels_of(mask, border=1)
    for task in tasks:
        found, expected = view.raw(task)[0][:, where], view.expected(task)[0][:, where]
        torch.testing.assert_close(
            found, expected, **(tolerance or {'rtol': 1e-5, 'atol': 1e-5}), msg=task)


@pytest.mark.parametrize('name', MASKS)
def test_chosen_patches_give_the_outputs_of_dense_heads_and_read_nothing_old(view, name):
    updates = view.run(rows_of(MASKS[name]))
    assert_dense_on(view, MASKS[name])
    for update in updates.values():
        assert torch.equal(update.affected, rows_of(MASKS[name]))


def test_random_patches_give_the_outputs_of_dense_heads(view):
    generator = torch.Generator().manual_seed(5)
    for share in (0.05, 0.2, 0.35, 0.5, 0.8):
        mask = torch.rand(GRID, generator=generator) < share
        view.forget()
        view.run(rows_of(mask))
        assert_dense_on(view, mask)


@pytest.mark.parametrize('depth', [0, 1, 3, 5])
def test_heads_of_any_depth_give_the_outputs_of_dense_heads(depth):
    with torch.inference_mode():
        view = View.of(with_pyramids(depth))
        for mask in MASKS.values():
            view.forget()
            view.run(rows_of(mask))
            assert_dense_on(view, mask)


def test_decoded_patches_are_those_of_dense_maps(view):
    patch_size = view.camera.network.config.patch_size
    view.run(rows_of(MASKS['blob']))
    where = MASKS['blob'].repeat_interleave(patch_size, 0).repeat_interleave(patch_size, 1)
    for task in ('depth', 'normals', 'edge'):
        decoder = MapDecoder(task, 4, patch_size)
        some, every = (decoder.allocate(GRID, torch.device('cpu')) for _ in range(2))
        decoder.update(some, view.raw(task), rows_of(MASKS['blob']))
        decoder.dense(every, view.expected(task))
        for name, values in decoder.views(every).items():
            torch.testing.assert_close(
                decoder.views(some)[name][where], values[where], rtol=1e-4, atol=1e-4)


def test_rows_that_were_computed_are_projected_anew_and_others_are_not(view):
    every = rows_of(MASKS['all'])
    first = {task: update.macs for task, update in view.run(every).items()}
    patches = rows_of(MASKS['blob'])
    view.compute(patches)
    again = {task: update.macs for task, update in view.run(patches).items()}
    assert_dense_on(view, MASKS['blob'])
    view.projected = view.heads.allocate(view.state)
    unknown = {task: update.macs for task, update in view.run(patches).items()}
    for task in DEFAULT_TASKS:
        assert again[task] < unknown[task] < first[task]


def test_a_task_that_missed_frames_reads_no_row_as_it_was(view):
    view.run(rows_of(MASKS['all']))
    view.compute(rows_of(MASKS['blob']))
    view.run(rows_of(MASKS['blob']), ('depth',))
    view.run(rows_of(MASKS['scattered']))
    assert_dense_on(view, MASKS['scattered'])


def test_patches_whose_rows_moved_read_the_rows_that_they_have(view):
    view.run(rows_of(MASKS['all']))
    known, view.rows = view.rows, view.rows.roll(5)
    view.run(rows_of(MASKS['blob']))
    assert_dense_on(view, MASKS['blob'])
    view.rows = known


def test_pixels_far_from_a_few_patches_are_left_as_they_are(view):
    view.run(rows_of(MASKS['first corner']))
    left = ~pixels_of(MASKS['first corner'], border=1)
    for task in DEFAULT_TASKS:
        assert bool((view.raw(task)[0][:, left] == JUNK).all())


def test_no_patches_cost_nothing(view):
    updates = view.run(rows_of(MASKS['none']))
    assert [update.macs for update in updates.values()] == [0] * len(DEFAULT_TASKS)


def test_all_patches_cost_what_dense_heads_do(view):
    updates = view.run(rows_of(MASKS['all']))
    for task, update in updates.items():
        assert update.macs == make_head(view.camera.network, task).dense_macs(GRID)


def test_the_work_of_a_patch_counts_the_pixels_round_it():
    with torch.inference_mode():
        view = View.of(with_pyramids())
        macs = view.run(torch.tensor([8 + 1]), ('normals',))['normals'].macs
    merging = 32 * 128 + 4 * 16 * 32 + 16 * 16 * 8
    assert macs == 9 * merging + 9 * 8 * 8 * (8 ** 2 + 6 ** 2) + 6 ** 2 * 8 * 3


def test_heads_in_half_precision_are_close_to_dense_heads():
    with torch.inference_mode():
        view = View.of(with_pyramids(), dtype=torch.bfloat16)
        for head in view.state.heads.values():
            head.features = tuple(rows.bfloat16() for rows in head.features)
        view.run(rows_of(MASKS['blob']))
        assert_dense_on(view, MASKS['blob'], rtol=0.1, atol=0.1)


def test_runners_of_heads_of_other_kinds_are_refused():
    with pytest.raises(ConfigError, match='head of depth'):
        MovingHeads({'depth': object()})
