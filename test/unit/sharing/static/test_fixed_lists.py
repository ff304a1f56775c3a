"""Lists of fixed lengths hold what masks mark; the host picks the shortest with room."""

from hypothesis import given, settings, strategies
import pytest
import torch

from mtshare_ros.sharing.head import HeadGeometry
from mtshare_ros.sharing.static.fixed_lists import bucket_sizes, choose, kept_share, MaskRow

FIRST, SECOND, THIRD = 100, 30, 60
PLACES = strategies.sets(strategies.integers(0, THIRD - 1), min_size=1)


def mask_of(entries: set[int], length: int) -> torch.Tensor:
    mask = torch.zeros(length, dtype=torch.bool)
    mask[[entry for entry in entries if entry < length]] = True
    return mask


@settings(max_examples=50, deadline=None)
@given(first=PLACES, second=PLACES, third=PLACES, size=strategies.integers(1, 120))
def test_each_list_holds_the_entries_of_its_mask_in_order(first, second, third, size):
    masks = {'first': mask_of(first, FIRST), 'second': mask_of(second, SECOND),
             'third': mask_of(third, THIRD)}
    row = MaskRow({name: len(mask) for name, mask in masks.items()}, torch.device('cpu'))
    running, counts = row.allocate(), torch.zeros(3, dtype=torch.int32)

    row.count(torch.cat(tuple(masks.values())), running, counts)

    assert counts.tolist() == [int(mask.sum()) for mask in masks.values()]
    wanted = ('third', size), ('first', 7), ('second', size)
    for (name, length), found in zip(wanted, row.lists(running, row.table(wanted))):
        expected = masks[name].nonzero()[:length, 0].tolist()
        if expected:
            assert found.tolist() == expected + [expected[-1]] * (length - len(expected))
        assert found.shape == (length,) and found.dtype == torch.int64


GRID = (30, 40)
GEOMETRY = HeadGeometry(4, (3, 3), (1, 1), (1, 2), 1)
BUCKETS = bucket_sizes(GRID, [GEOMETRY])


def chosen(patches: int, pixels: tuple[int, int], affected: int):
    return choose(BUCKETS, patches, {GEOMETRY: pixels}, {GEOMETRY: affected})


def test_lists_grow_from_a_sixteenth_of_the_patches_to_a_half_in_small_steps():
    patches = [sizes.patches for sizes in BUCKETS]
    assert patches == [80, 120, 152, 232, 304, 456, 600]
    assert all(after <= 1.55 * before for before, after in zip(patches, patches[1:]))


def test_a_tiny_grid_has_lists_no_longer_than_its_patches():
    assert {sizes.patches for sizes in bucket_sizes((2, 3), [GEOMETRY])} == {6}


def test_the_blocks_compute_the_share_that_is_kept():
    assert [sizes.kept for sizes in bucket_sizes(GRID, [GEOMETRY], keep=0.5)] == [
        40, 64, 80, 120, 152, 232, 304]


def test_no_list_is_longer_than_the_map_it_is_of():
    assert BUCKETS[-1].pixels[GEOMETRY] == (1200 * 16, 1200 * 16)
    assert BUCKETS[-1].affected[GEOMETRY] == 1200


def test_the_smallest_lists_that_have_room_are_chosen():
    assert chosen(80, (2000, 3000), 200) is BUCKETS[0]
    assert chosen(81, (2000, 3000), 200) is BUCKETS[1]


@pytest.mark.parametrize('pixels, affected', [((2881, 100), 100), ((100, 3841), 100),
                                             ((100, 100), 241)])
def test_scattered_patches_take_longer_lists_than_their_number_asks_for(pixels, affected):
    assert chosen(80, pixels, affected) is BUCKETS[1]


def test_a_frame_that_no_list_holds_is_computed_whole():
    assert chosen(601, (100, 100), 100) is None


def test_the_higher_the_threshold_the_fewer_patches_the_blocks_compute():
    assert [kept_share(threshold) for threshold in (0.0, 0.02, 0.15, 0.3, 0.6, 5.0)] == [
        1.0, 1.0, 0.75, 0.5, 0.25, 0.25]
