"""Which items a step sees."""

from collections import Counter
from dataclasses import replace

import pytest

from mtshare_ros.errors import ConfigError
from mtshare_ros.training.batch_plan import MixedPlan, Prefetcher, StepPlan
from mtshare_ros.training.stage_config import Phase, StagePlan

PLAN = StagePlan((Phase((48, 64), 4, 40, 2), Phase((96, 128), 2, 20)))
ROUNDS = replace(PLAN, rounds=2)


def test_every_item_is_seen_once_per_epoch():
    plan = StepPlan(PLAN, 0, 20)
    first, second = ([index for step in steps for index in plan.step(step).indices]
                     for steps in (range(5), range(5, 10)))
    assert Counter(first) == Counter(second) == Counter(range(20))
    assert first != second


def test_phases_follow_one_another():
    plan = StepPlan(PLAN, 0, 20)
    sizes = [plan.step(number).phase.batch_size for number in range(PLAN.steps)]
    assert sizes == [4] * 10 + [2] * 10
    with pytest.raises(IndexError):
        plan.step(PLAN.steps)


def test_a_step_is_the_same_whatever_was_asked_before():
    plan = StepPlan(PLAN, 0, 20)
    for number in range(PLAN.steps):
        plan.step(number)
    late, fresh = plan.step(3), StepPlan(PLAN, 0, 20).step(3)
    assert late.indices == fresh.indices
    assert late.random(0).random() == fresh.random(0).random()


def test_every_item_of_a_batch_and_every_step_has_a_chance_of_its_own():
    plan = StepPlan(PLAN, 0, 20)
    drawn = {plan.step(number).random(place).random() for number in range(5) for place in range(4)}
    assert len(drawn) == 20


def test_another_seed_means_another_order():
    orders = [StepPlan(PLAN, seed, 20).step(0).indices for seed in (0, 1)]
    assert orders[0] != orders[1]


def test_a_phase_without_a_step_is_refused():
    with pytest.raises(ConfigError, match='images is 3; allowed is batch_size = 4 or more'):
        Phase((48, 64), 4, 3)


def test_a_stage_without_a_phase_is_refused():
    with pytest.raises(ConfigError, match='phases'):
        StagePlan(())


def test_what_making_a_batch_raised_is_raised_where_it_is_asked_for():
    def fail(number):
        raise OSError(f'batch {number}')

    batches = Prefetcher(fail, 3, ahead=1)
    with pytest.raises(OSError, match='batch 0'):
        batches.get(0)
    batches.close()


def test_a_mixed_plan_shows_every_image_of_every_phase_once_in_a_round():
    plan = MixedPlan(ROUNDS, 0)
    rounds = [[plan.step(number) for number in numbers] for numbers in (range(20), range(20, 40))]

    for steps in rounds:
        seen = Counter((step.phase, index) for step in steps for index in step.indices)
        assert seen == Counter((phase, index) for phase in PLAN.phases
                               for index in range(phase.images))
    first, second = ([(step.phase, step.indices) for step in steps] for steps in rounds)
    assert first != second


def test_a_mixed_plan_mixes_the_phases():
    phases = [MixedPlan(ROUNDS, 0).step(number).phase for number in range(20)]

    assert 4 < sum(phase != other for phase, other in zip(phases, phases[1:]))


def test_a_mixed_plan_tells_a_step_whatever_was_asked_before():
    plan = MixedPlan(ROUNDS, 3)
    for number in range(ROUNDS.steps):
        plan.step(number)

    assert plan.step(25) == MixedPlan(ROUNDS, 3).step(25)
    assert plan.step(25) != MixedPlan(ROUNDS, 4).step(25)
