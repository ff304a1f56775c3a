"""Stem and encoder on lists of fixed lengths compute what the engine does for the same rows."""

from beside import error, image_of, network_of, Present, ROWS, SHAPES, Static
from padded import padded
from public_shapes import network_of as public_network
import pytest
import torch

from mtshare_ros.model.checkpoint import load_checkpoint
from mtshare_ros.model.manifest import find_model

pytestmark = pytest.mark.usefixtures('no_gradients')
shapes = pytest.mark.parametrize('shape', SHAPES)
prefixes = pytest.mark.parametrize('prefix', [0, 2, 4])


@shapes
@prefixes
def test_whole_frames_and_updates_equal_the_engine(shape, prefix):
    network = network_of(shape, prefix)
    static, present = (kind(network, image_of(0)) for kind in (Static, Present))
    assert error(static, present) < 1e-5
    for number, rows in ((3, ROWS), (6, ROWS[:3]), (8, ROWS + 1 - ROWS // 47)):
        static.see(image_of(number), padded(rows))
        present.see(image_of(number), rows)
        assert error(static, present) < 1e-5
    static.see(image_of(9))
    present.see(image_of(9))
    assert error(static, present) < 1e-5


@pytest.mark.parametrize('tasks', [('depth',), ('semseg', 'edge'), ('normals', 'depth')])
@pytest.mark.parametrize('shape', ['convolutions', 'taps'])
def test_an_encoder_of_some_tasks_equals_the_engine_for_them(shape, tasks):
    network = network_of(shape, 2)
    static, present = (kind(network, image_of(0), tasks=tasks) for kind in (Static, Present))
    assert static.transformer.encoders == tuple(task for task in network.tasks if task in tasks)
    static.see(image_of(4), ROWS)
    present.see(image_of(4), ROWS)
    assert error(static, present) < 1e-5


@pytest.mark.parametrize('patch_size', [14, 16])
def test_networks_of_public_shapes_equal_the_engine(patch_size):
    network, grid = public_network(patch_size), (6, 8)
    images = [image_of(number)[..., :grid[0] * patch_size, :grid[1] * patch_size]
              for number in (0, 5)]
    static, present = (kind(network, images[0]) for kind in (Static, Present))
    static.see(images[1], padded(ROWS))
    present.see(images[1], ROWS)
    assert error(static, present) < 1e-5


def test_the_shipped_model_equals_the_engine():
    network = load_checkpoint(find_model('default').path).network
    static, present = (kind(network, image_of(0)) for kind in (Static, Present))
    assert len(static.transformer.encoders) == 4
    static.see(image_of(4), padded(ROWS))
    present.see(image_of(4), ROWS)
    assert error(static, present) < 1e-5


@shapes
def test_entries_that_repeat_the_last_one_change_no_bit(shape):
    network = network_of(shape, 2)
    exact, longer = (Static(network, image_of(0)) for _ in range(2))
    for number in (3, 6):
        exact.see(image_of(number), ROWS)
        longer.see(image_of(number), padded(ROWS, 8))
    assert all(torch.equal(rows, longer.state.taps[taps]) for taps, rows in exact.taps().items())
    assert all(map(torch.equal, exact.caches(), longer.caches()))


@shapes
@pytest.mark.parametrize('dtype, bound', [(torch.float16, 5e-3), (torch.bfloat16, 5e-2)])
def test_other_formats_stay_close_and_keep_what_is_normed_in_theirs(shape, dtype, bound):
    network = network_of(shape, 2)
    exact, rounded = (Static(network, image_of(0), dtype=kind)
                      for kind in (torch.float32, dtype))
    for static in (exact, rounded):
        static.see(image_of(4), ROWS)
    for taps, rows in exact.taps().items():
        found = rounded.state.taps[taps]
        assert found.dtype == (dtype if taps[0].normed else torch.float32)
        assert (found - rows).norm() < bound * rows.norm()


@shapes
def test_kernels_find_every_row_of_the_state_behind_the_one_before(shape):
    state = Static(network_of(shape, 2), image_of(0)).state
    tables = [table for table in (state.rotation, state.position) if table is not None]
    assert all(table.is_contiguous() for table in (
        *tables, state.every, state.reference, *state.shared, state.own, *state.taps.values()))


def test_the_weights_of_a_single_encoder_in_float32_are_those_of_the_network():
    network = network_of('convolutions', 4)
    matrix = Static(network, image_of(0)).transformer._shared.blocks[0].qkv._matrix
    assert matrix.data_ptr() == network.blocks[0].attn.qkv.weight.data_ptr()


class TestTheCut:
    """Of the patches that enter, a fixed number is computed."""

    def test_the_patches_that_changed_most_are_computed(self):
        static = Static(network_of('patches', 2), image_of(0))
        before, image = static.taps(), image_of(0).clone()
        for patch in (11, 20, 38):
            row, column = divmod(patch, 8)
            image[..., 16 * row:16 * row + 16, 16 * column:16 * column + 16] ^= 128
        assert sorted(static.see(image, ROWS, kept=3).tolist()) == [11, 20, 38]
        for taps, rows in static.taps().items():
            changed = (rows != before[taps]).any(dim=2)
            assert changed[:, [11, 20, 38]].all() and changed.sum() == 3 * len(rows)

    def test_forced_patches_come_first(self):
        static = Static(network_of('convolutions', 2), image_of(0))
        kept = static.see(image_of(0), ROWS, kept=2, forced=(13, 47))
        assert sorted(kept.tolist()) == [13, 47]

    def test_a_patch_that_was_left_out_is_compared_with_what_was_computed_last(self):
        static = Static(network_of('patches', 2), image_of(0))
        left_out = set(ROWS.tolist()) - set(static.see(image_of(9), ROWS, kept=6).tolist())
        assert set(static.see(image_of(9), ROWS, kept=2).tolist()) == left_out

    def test_repetitions_take_no_place(self):
        exact, longer = (Static(network_of('registers', 2), image_of(0)) for _ in range(2))
        kept = exact.see(image_of(5), ROWS, kept=5, forced=(47,))
        assert torch.equal(longer.see(image_of(5), padded(ROWS, 9), kept=5, forced=(47,)), kept)
        assert all(torch.equal(rows, longer.state.taps[taps])
                   for taps, rows in exact.taps().items())

    def test_where_there_is_room_every_patch_is_computed(self):
        exact, longer = (Static(network_of('convolutions', 2), image_of(0)) for _ in range(2))
        exact.see(image_of(5), ROWS)
        kept = longer.see(image_of(5), padded(ROWS, 9), kept=11)
        assert kept.unique().tolist() == ROWS.tolist()
        assert all(torch.equal(rows, longer.state.taps[taps])
                   for taps, rows in exact.taps().items())

    def test_a_patch_that_is_not_a_number_is_computed_again(self):
        static = Static(network_of('patches', 2), image_of(0))
        static.state.reference[12] = torch.nan
        assert static.see(image_of(0), ROWS, kept=1).tolist() == [12]
