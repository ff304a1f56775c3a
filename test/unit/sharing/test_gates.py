"""Token gates choose the patches that changed, and no more than the budget allows."""

import math

from hypothesis import given, settings, strategies
import pytest
import torch

from mtshare_ros.sharing.gates import raise_due, UrgentPatches


def chosen(budget, scores, forced=(), ages=None):
    """Return the patches of scores above 1 that a budget allows."""
    scores = torch.tensor(scores, dtype=torch.float32)
    mask = torch.zeros(len(scores), dtype=torch.bool)
    mask[list(forced)] = True
    ages = torch.zeros(len(scores), dtype=torch.int32) if ages is None else torch.tensor(ages)
    return UrgentPatches(scores, mask, ages, 1.0).within(budget).nonzero()[:, 0].tolist()


def test_patches_above_the_threshold_pass():
    assert chosen(4, [0.5, 1.5, 1.0, 3.0]) == [1, 3]


@pytest.mark.parametrize('budget', [4, 0])
def test_forced_patches_pass_whatever_their_score(budget):
    assert chosen(budget, [0.0, 0.5, 0.0, 0.0], forced=[0, 2]) == [0, 2]


def test_a_first_frame_passes_whole():
    assert chosen(3, [math.inf] * 3) == [0, 1, 2]


def test_a_budget_passes_what_changed_most():
    assert chosen(2, [1.5, 9.0, 0.0, 4.5, 2.5]) == [1, 3]


def test_within_a_doubling_the_oldest_goes_first():
    assert chosen(1, [1.9, 1.2, 1.5], ages=[1, 40, 7]) == [1]


def test_age_does_not_outweigh_a_doubling():
    assert chosen(1, [2.1, 1.9], ages=[0, 1000]) == [0]


def test_of_patches_that_are_alike_the_first_go_first():
    assert chosen(3, [1.5] * 40, ages=[2] * 40) == [0, 1, 2]


def test_forced_patches_take_from_the_budget():
    assert chosen(2, [9.0, 8.0, 0.0], forced=[2]) == [0, 2]


def test_more_forced_patches_than_the_budget_pass():
    assert chosen(1, [0.0, 0.0, 9.0], forced=[0, 1]) == [0, 1]


def test_a_budget_of_nothing_passes_nothing():
    assert chosen(0, [5.0, 6.0]) == []


def test_a_budget_beyond_the_patches_passes_all_that_changed():
    assert chosen(99, [5.0, 0.0, 6.0]) == [0, 2]


def test_due_patches_are_served_after_greater_changes_and_by_their_age():
    scores, due = torch.tensor([0.0, 8.0, 0.2, 0.0]), torch.tensor([True, False, True, False])

    raised = raise_due(scores, due, 1.0).tolist()

    assert chosen(2, raised, ages=[3, 0, 9, 50]) == [1, 2]


def test_a_due_patch_keeps_a_greater_score():
    assert raise_due(torch.tensor([5.0]), torch.tensor([True]), 1.0).item() == 5.0


@settings(max_examples=60, deadline=None)
@given(seed=strategies.integers(0, 10_000), budget=strategies.integers(0, 40),
       limit=strategies.floats(0.1, 10.0))
def test_the_budget_holds_for_any_scores(seed, budget, limit):
    random = torch.Generator().manual_seed(seed)
    scores = 12 * torch.rand(30, generator=random)
    forced = torch.rand(30, generator=random) < 0.1
    ages = torch.randint(0, 90, (30,), generator=random)

    mask = UrgentPatches(scores, forced, ages, limit).within(budget)

    wanted = int(((scores > limit) | forced).sum())
    assert int(mask.sum()) == max(int(forced.sum()), min(budget, wanted))
    assert mask[forced].all() and (scores[mask & ~forced] > limit).all()
