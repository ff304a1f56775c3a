"""The static gate lets the same rows in as detector and planner."""


from camera_images import room_clip
from gate_hosts import Frame, LINEAR, LOCAL, SCENARIOS, StaticHost, Stem, STEMS
import pytest
import torch

from mtshare_ros.sharing.head import around
from mtshare_ros.sharing.pixel_maps import Level
from mtshare_ros.sharing.plan import FramePlan, Planner


class PresentGate:
    """Detector, planner and ages, as SharingNetwork uses them."""

    def __init__(self, stem: Stem) -> None:
        self.detector, self.planner = stem.detector(), Planner(stem.receptive_field.spread)
        self.state = self.detector.allocate(stem.grid)
        self.ages = torch.zeros(stem.grid[0] * stem.grid[1], dtype=torch.int32)
        self.frame = 0

    def see(self, image: torch.Tensor, asked: Frame) -> FramePlan:
        scores, plan = self.detector.observe(self.state, image), FramePlan()
        if self.frame:
            plan = self.planner.plan(self.state.grid, self.frame, scores, self.ages, asked.factor,
                                     asked.settings, asked.bounds)
        self.frame += 1
        self.ages += 1
        if plan.transmitted is None:
            self.detector.transmit_all(self.state)
            self.ages.zero_()
        else:
            self.detector.transmit(self.state, plan.transmitted)
            self.ages.masked_fill_(plan.due, 0)
        return plan


@pytest.mark.parametrize('motion', ['static', 'handheld', 'pan'])
@pytest.mark.parametrize('scenario', SCENARIOS)
@pytest.mark.parametrize('stem', STEMS)
def test_the_same_rows_enter_as_today(stem, scenario, motion, no_gradients):
    stem, ask = STEMS[stem], SCENARIOS[scenario]
    present, host = PresentGate(stem), StaticHost(stem)

    for number, image in enumerate(room_clip(motion, 1.0)):
        image = stem.cut(image)
        plan = present.see(image, ask(number))
        counts, lists = host.see(image, ask(number))

        assert (lists is None) == (plan.transmitted is None)
        if lists is not None:
            check_lists(lists, plan, stem, counts)
        assert torch.equal(host.state.ages, present.ages)
        assert host.state.oldest == present.ages.max()
        assert torch.equal(host.state.change.reference, present.state.reference)


def test_heads_that_go_by_no_lists_have_none(no_gradients):
    stem = STEMS['patches of 14']
    host = StaticHost(stem, geometries=())

    for image in room_clip('static', 1.0)[:3]:
        counts, lists = host.see(stem.cut(image), Frame())

    assert counts.patches and not counts.pixels and not counts.affected and not lists.heads


def check_lists(lists, plan: FramePlan, stem: Stem, counts) -> None:
    forced = plan.due if plan.halo is None else plan.due | plan.halo
    assert counts.due == plan.due.sum() and counts.active == plan.transmitted.shape[0]
    check(lists.transmitted, plan.transmitted)
    check(lists.patches, plan.patches)
    if counts.patches:
        assert torch.equal(lists.forced, forced[lists.patches])
    for item in (LOCAL, LINEAR):
        level = Level(stem.grid, item.side)
        for found, border in zip(lists.heads[item].layers, item.borders):
            check(found, around(level, plan.patches, border))
        check(lists.heads[item].affected,
              around(Level(stem.grid, 1), plan.patches, item.patch_border))


def check(found: torch.Tensor, expected: torch.Tensor) -> None:
    """Check that a list is filled up by repeating its last entry, or of any entry if empty."""
    count = expected.shape[0]
    assert found.shape[0] > count and found.dtype == torch.int64
    if count:
        assert torch.equal(found[:count], expected)
        assert (found[count:] == expected[-1]).all()
