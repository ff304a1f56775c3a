"""The map from patches of a view to rows of the caches."""

import pytest
import torch

from mtshare_ros.sharing.moving.ring import RingGrid

GRID = (4, 6)
COUNT = 24


@pytest.fixture
def ring():
    return RingGrid.at_rest(GRID, torch.device('cpu'))


def places_of(ring, *, down=0.0, right=0.0, scale=1.0):
    """Return where the view before showed the middle of each patch, if content moves like that."""
    row, column = torch.meshgrid(*map(torch.arange, GRID), indexing='ij')
    middle = torch.tensor(GRID) / 2 - 0.5
    places = torch.stack((row, column), dim=2).view(-1, 2).float()
    return (places - torch.tensor((down, right)) - middle) / scale + middle


def shown(ring):
    """Return the rows as the view shows them."""
    return ring.rows.view(GRID)


def holds_every_row_once(ring):
    return torch.equal(ring.rows.sort().values, torch.arange(COUNT))


def test_a_scroll_takes_rows_along_and_gives_those_that_left_to_what_entered(ring):
    right = ring.scrolled(0, 2)
    assert torch.equal(shown(right)[:, 2:], shown(ring)[:, :-2])
    assert holds_every_row_once(right)
    assert right.new.view(GRID)[:, :2].all() and not right.new.view(GRID)[:, 2:].any()


def test_a_row_that_is_scrolled_keeps_its_place_in_the_world(ring):
    moved = ring.scrolled(-1, 3)
    kept = moved.rows[~moved.new]
    assert torch.equal(moved.places[kept], ring.places[kept])
    assert not torch.equal(moved.places, ring.places)


def test_the_world_stays_while_the_view_goes_round_and_comes_back(ring):
    there = ring.scrolled(-1, 2).scrolled(1, -2)
    assert torch.equal(there.places[there.rows[~there.new]], ring.places[ring.rows[~there.new]])
    assert there.origin == (0, 0)


def test_patches_stay_new_until_they_are_computed(ring):
    moved = ring.scrolled(0, 1).scrolled(0, 1)
    patches = moved.new.nonzero()[:, 0]
    assert patches.shape[0] == 2 * GRID[0]
    assert not moved.computed(patches).new.any()
    assert moved.computed(patches[:3]).new.sum() == patches.shape[0] - 3


def test_a_view_that_jumped_further_than_its_size_is_all_new(ring):
    assert ring.scrolled(0, -GRID[1]).new.all()
    assert ring.scrolled(GRID[0] + 3, 0).new.all()


def test_parts_of_patches_add_up_to_a_scroll(ring):
    for _ in range(4):
        ring = ring.moved(0.0, 0.3)
    assert ring.origin == (0, -1)
    assert ring.rest[1] == pytest.approx(0.2)


def test_following_a_shift_is_a_scroll(ring):
    scrolled = ring.scrolled(1, -2)
    followed = ring.followed(places_of(ring, down=1, right=-2)).ring
    assert torch.equal(followed.new, scrolled.new)
    assert torch.equal(followed.rows[~followed.new], scrolled.rows[~scrolled.new])
    assert followed.origin == scrolled.origin


def test_following_what_stands_still_changes_nothing(ring):
    followed = ring.followed(places_of(ring)).ring
    assert torch.equal(followed.rows, ring.rows) and not followed.new.any()


@pytest.mark.parametrize('scale', [2.0, 0.6])
def test_each_patch_has_a_row_of_its_own_while_content_grows_or_shrinks(ring, scale):
    followed = ring.followed(places_of(ring, scale=scale)).ring
    assert holds_every_row_once(followed)
    assert followed.new.any() == (scale < 1) and not followed.new.all()


def test_parts_of_patches_add_up_while_rows_are_followed(ring):
    for _ in range(3):
        ring = ring.followed(places_of(ring, right=0.35)).ring
    assert ring.origin == (0, -1)
    assert ring.offsets[~ring.new][:, 1] + ring.rest[1] == pytest.approx(0.05, abs=1e-4)


def test_the_view_goes_on_in_the_world_however_few_rows_change_their_patch_at_once(ring):
    generator = torch.Generator().manual_seed(0)
    for _ in range(16):
        ring = ring.followed(places_of(ring, right=0.25)).ring
        drawn = torch.randperm(COUNT, generator=generator)[:COUNT // 4]
        ring = ring.computed(torch.cat((drawn, ring.new.nonzero()[:, 0])))
    assert ring.origin == (0, -4)


def test_what_is_left_of_a_shift_counts_when_rows_are_followed(ring):
    ring = ring.moved(0.0, 0.4).followed(places_of(ring, right=0.4)).ring
    assert ring.origin == (0, -1)


def test_a_computed_patch_holds_its_middle(ring):
    ring = ring.moved(0.0, 0.4).computed(torch.tensor([3]))
    followed = ring.followed(places_of(ring, right=0.2)).ring
    assert followed.rows[3] == ring.rows[3]
    assert followed.rows[9 + 1] == ring.rows[9]


def test_where_content_grows_several_patches_have_copies_of_one_row(ring):
    places = places_of(ring)
    places[2, 1] = 1.2
    followed = ring.followed(places)
    assert followed.originals.tolist() == [1]
    assert followed.copies.tolist() == followed.ring.rows[[2]].tolist() == [2]
    assert not followed.ring.new.any()


def test_no_row_is_followed_to_where_the_view_saw_nothing(ring):
    places = places_of(ring)
    places[5] = torch.nan
    assert ring.followed(places).ring.new.nonzero().tolist() == [[5]]


def test_a_new_row_is_nobodys_content(ring):
    followed = ring.scrolled(0, 1).followed(places_of(ring)).ring
    assert torch.equal(followed.new, ring.scrolled(0, 1).new)
