"""Which frames a step sees."""

from collections import Counter

from mtshare_ros.training.config import Phase, TrainingConfig
from mtshare_ros.training.sampling import StepPlan

CONFIG = TrainingConfig(phases=(Phase((48, 64), 2, 4, 40), Phase((96, 128), 1, 2, 20)))


def test_every_frame_is_seen_once_per_epoch():
    plan = StepPlan(CONFIG, 20)
    seen = Counter(index for step in range(10) for index in plan.step(step).indices)
    assert set(seen.values()) == {2} and len(seen) == 20


def test_phases_follow_one_another():
    plan = StepPlan(CONFIG, 20)
    sizes = [plan.step(number).phase.batch_size for number in range(CONFIG.steps)]
    assert sizes == [4] * 10 + [2] * 10


def test_a_step_is_the_same_whatever_was_asked_before():
    plan = StepPlan(CONFIG, 20)
    for number in range(CONFIG.steps):
        plan.step(number)
    late, fresh = plan.step(3), StepPlan(CONFIG, 20).step(3)
    assert late.indices == fresh.indices
    assert late.random.random() == fresh.random.random()
