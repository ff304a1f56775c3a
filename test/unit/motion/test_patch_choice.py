"""Which patches of a view are computed when the camera moves."""

import pytest
import torch

from mtshare_ros.motion.patch_choice import (
    ChoiceRules,
    moved_inwards,
    patch_means,
    PatchChooser,
    PatchEvidence,
    TILE,
    TOO_MANY,
)

GRID = (12, 16)
NO_TURNS = ChoiceRules(share=0.0, slowest=1e9)


def evidence(scores=None, unseen=None, ages=None, inward=None, new=None):
    """Return evidence that is 0 for every patch, except for what is given."""
    nothing = torch.zeros(GRID)
    return PatchEvidence(*(nothing if given is None else given
                          for given in (scores, unseen, ages, inward)),
                        torch.zeros(GRID, dtype=torch.bool) if new is None else new)


def at(*patches, value=1.0):
    """Return a value at some patches (row, column) and 0 elsewhere."""
    values = torch.zeros(GRID)
    for row, column in patches:
        values[row, column] = value
    return values


def block(value=1.0):
    """Return a value at 3x3 patches."""
    return at(*((row, column) for row in (4, 5, 6) for column in (7, 8, 9)), value=value)


def chosen(rules=NO_TURNS, **given):
    return PatchChooser(rules).choose(evidence(**given))


def test_a_view_that_looks_as_expected_is_not_computed():
    assert not chosen().patches.any()


def test_an_area_that_differs_is_computed():
    found = chosen(scores=block(2.0))

    assert found.patches[5, 8] and not found.refreshed.any()
    assert not found.patches[0].any() and not found.patches[:, 0].any()


def test_a_patch_that_differs_a_little_alone_is_not_computed():
    assert not chosen(scores=at((5, 8), value=1.4)).patches.any()


def test_a_small_thing_that_differs_much_is_computed_alone():
    assert chosen(scores=at((5, 8), value=9.0)).patches.nonzero().tolist() == [[5, 8]]


@pytest.mark.parametrize('given', [
    {'unseen': at((2, 3), value=0.1)}, {'new': at((2, 3)).bool()},
])
def test_what_no_earlier_frame_saw_is_computed(given):
    assert chosen(**given).patches.nonzero().tolist() == [[2, 3]]


def test_all_is_computed_where_too_much_differs_and_the_reason_is_said():
    found = chosen(scores=torch.full(GRID, 5.0))

    assert found.patches.all() and found.reason == TOO_MANY


def test_the_oldest_tile_has_its_turn_first_and_is_refreshed():
    ages = torch.arange(GRID[0] * GRID[1]).view(GRID).float()
    found = chosen(ChoiceRules(share=0.1), ages=ages)

    assert found.patches[-TILE:, -TILE:].all() and found.patches.sum() == TILE ** 2
    assert torch.equal(found.refreshed, found.patches)


def test_what_was_seen_at_the_border_first_has_its_turn_sooner():
    inward = torch.zeros(GRID)
    inward[:TILE, :TILE] = 40
    found = chosen(ChoiceRules(share=0.1), ages=torch.full(GRID, 5.0), inward=inward)

    assert found.refreshed[:TILE, :TILE].all()


def test_every_patch_has_its_turn_within_a_period():
    chooser, rules = PatchChooser(), ChoiceRules()
    ages = torch.zeros(GRID)
    for _ in range(3 * int(rules.slowest)):
        found = chooser.choose(evidence(ages=ages))
        ages = torch.where(found.patches, 0.0, ages + 1)

    assert ages.max() < rules.slowest


def test_many_differences_leave_fewer_turns():
    quiet, busy = PatchChooser(), PatchChooser()
    scores = torch.zeros(GRID)
    scores[:5] = 3.0
    for _ in range(6):
        ages = torch.ones(GRID)
        calm = quiet.choose(evidence(ages=ages)).refreshed.sum()
        full = busy.choose(evidence(ages=ages, scores=scores)).refreshed.sum()

    assert full < calm


def test_a_burst_of_differences_is_spread_over_frames_but_what_was_not_seen_is_not():
    rules = ChoiceRules(share=0.0, slowest=1e9)
    chooser = PatchChooser(rules)
    for _ in range(30):
        chooser.choose(evidence(scores=block(3.0)))
    scores = torch.zeros(GRID)
    scores[:6] = 3.0
    unseen = torch.zeros(GRID)
    unseen[10:] = 0.5
    usual = int(chooser.choose(evidence(scores=block(3.0))).patches.sum())

    assert chooser.choose(evidence(scores=scores)).patches.sum() < 2 * usual + 8
    assert chooser.choose(evidence(scores=scores, unseen=unseen)).patches[10:].all()


def test_a_budget_bounds_all_but_what_no_earlier_frame_saw():
    unseen = torch.zeros(GRID)
    unseen[10:] = 0.5
    different = evidence(scores=torch.full(GRID, 5.0), unseen=unseen)
    found = PatchChooser().choose(different, budget=50)

    assert found.patches.sum() == 50 and found.patches[10:].all() and not found.reason
    assert PatchChooser().choose(different, budget=5).patches.sum() == 32


def test_the_mean_of_a_patch_is_that_of_its_pixels():
    values = torch.arange(16 * 24).view(16, 24)

    assert patch_means(values, 8)[1, 2] == values[8:16, 16:24].float().mean()
    assert patch_means(values > 0, 8).flatten()[0] == pytest.approx(63 / 64)


def test_pixels_that_moved_away_from_the_border_are_found():
    row, column = torch.meshgrid(torch.arange(40.0), torch.arange(60.0), indexing='ij')
    moved = moved_inwards(row, column - 5, most=10.0)

    assert moved[20, 7] == 5 and moved[20, 30] == 0 and moved[20, 57] < 0
