"""The lengths of a frame's lists."""

import pytest

from mtshare_ros.sharing.head import HeadGeometry
from mtshare_ros.sharing.static.fixed_lists import bucket_sizes, choose, kept_share

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
