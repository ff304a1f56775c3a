"""The static gate lets the same rows in as detector and planner, without asking the device."""

from dataclasses import dataclass, replace

from camera_images import room_clip
from pretended_cuda import pretended_cuda
import pytest
import torch

from mtshare_ros.sharing.change import ChangeDetector, learns
from mtshare_ros.sharing.head_plan import around, HeadGeometry
from mtshare_ros.sharing.level import Level
from mtshare_ros.sharing.plan import FramePlan, PlanLimits, Planner
from mtshare_ros.sharing.reach import Reach
from mtshare_ros.sharing.settings import SharingSettings
from mtshare_ros.sharing.static.controls import Controls
from mtshare_ros.sharing.static.gate import StaticGate
from mtshare_ros.sharing.static.operators import FUSED, Operators, PLAIN
from mtshare_ros.sharing.static.sizes import bucket_sizes, ListSizes

CPU = torch.device('cpu')
CONVOLUTIONAL, PATCHES = Reach(0, 1), Reach(0, 0)
LOCAL = HeadGeometry(4, (3, 3), (1, 1), (1, 2), 1)
LINEAR = HeadGeometry(1, (), (), (), 2)
FRAMES = 16


@dataclass(frozen=True)
class Stem:
    """A patch size, what a stem with it reaches, and the grid of an image."""

    side: int
    reach: Reach
    grid: tuple[int, int]

    def cut(self, image: torch.Tensor) -> torch.Tensor:
        height, width = (cells * self.side for cells in self.grid)
        return image[:, :, :height, :width]

    def detector(self, device: torch.device = CPU, operators: Operators = PLAIN):
        return ChangeDetector(device, self.side, operators.detector)


STEMS = {
    'convolutions': Stem(16, CONVOLUTIONAL, (15, 20)),
    'patches of 14': Stem(14, PATCHES, (17, 22)),
}


@dataclass(frozen=True)
class Frame:
    """What is asked of one frame."""

    settings: SharingSettings = SharingSettings()
    limits: PlanLimits = PlanLimits()
    factor: float = 1.0


class PresentGate:
    """Detector, planner and ages, as SharingNetwork uses them."""

    def __init__(self, stem: Stem) -> None:
        self.detector, self.planner = stem.detector(), Planner(stem.reach.spread)
        self.state = self.detector.allocate(stem.grid)
        self.ages = torch.zeros(stem.grid[0] * stem.grid[1], dtype=torch.int32)
        self.frame = 0

    def see(self, image: torch.Tensor, asked: Frame) -> FramePlan:
        scores, plan = self.detector.observe(self.state, image), FramePlan()
        if self.frame:
            plan = self.planner.plan(self.state.grid, self.frame, scores, self.ages, asked.factor,
                                     asked.settings, asked.limits)
        self.frame += 1
        self.ages += 1
        if plan.patches is None:
            self.detector.transmit_all(self.state)
            self.ages.zero_()
        else:
            self.detector.transmit(self.state, plan.patches)
            self.ages.masked_fill_(plan.due, 0)
        return plan


class StaticHost:
    """A static gate and what a host does with it."""

    def __init__(
        self, stem: Stem, device: torch.device = CPU, operators: Operators = PLAIN,
        geometries: tuple[HeadGeometry, ...] = (LOCAL, LINEAR),
    ) -> None:
        self.gate = StaticGate(
            stem.detector(device, operators), stem.reach, geometries, operators)
        self.state = self.gate.allocate(stem.grid)
        self.frame = 0

    def see(self, image: torch.Tensor, asked: Frame):
        """Return counts and lists of a frame, which hold all that was counted; None for whole."""
        state, count = self.state, self.state.ages.shape[0]
        counts, lists = self.observe(image, asked), None
        if counts is not None and not (
                asked.factor == 0 or asked.limits.cuts(counts.fired, count)
                or asked.limits.exceeded(counts.cells, count)):
            sizes = sizes_for(counts)
            self.gate.prepare_lists(state, sizes)
            lists = self.gate.lists(state, sizes)
        if lists is not None and not counts.cells:
            self.gate.rest(state)
        else:
            self.gate.settle(state, lists)
        return counts, lists

    def observe(self, image: torch.Tensor, asked: Frame):
        state, gate = self.state, self.gate
        frame, self.frame = self.frame, self.frame + 1
        state.change.frames += 1
        if frame == 0:
            gate.begin(state, image)
            return None
        gate.prepare(state, asked.settings)
        Controls.of(asked.settings, asked.limits, frame=frame, factor=asked.factor).write(
            state.controls)
        self.run(image, learns(state.change.frames), asked.limits.budget is not None)
        return gate.read(state, state.counts.tolist())

    def run(self, image: torch.Tensor, learn: bool, budgeted: bool) -> None:
        self.gate.observe(self.state, image, learn=learn, budgeted=budgeted)


class CapturingHost(StaticHost):
    """One whose gate is captured when first used, and replayed from then on."""

    def __init__(self, stem: Stem, device: torch.device, operators: Operators) -> None:
        super().__init__(stem, device, operators)
        height, width = (cells * stem.side for cells in stem.grid)
        self.image = torch.zeros(1, 3, height, width, dtype=torch.uint8, device=device)
        self.graphs: dict[tuple[bool, bool], torch.cuda.CUDAGraph] = {}

    def run(self, image: torch.Tensor, learn: bool, budgeted: bool) -> None:
        self.image.copy_(image)
        if (learn, budgeted) not in self.graphs:
            self.graphs[learn, budgeted] = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graphs[learn, budgeted]):
                super().run(self.image, learn, budgeted)
        self.graphs[learn, budgeted].replay()


def sizes_for(counts) -> ListSizes:
    """Return sizes a little above the counts."""
    return ListSizes(
        counts.cells + 3, counts.cells + 3,
        {item: tuple(count + 5 for count in found) for item, found in counts.pixels.items()},
        {item: count + 2 for item, count in counts.reached.items()})


def settings_of(**changed) -> SharingSettings:
    return SharingSettings(**{'refresh_period': 6, 'max_age': 9, **changed})


SCENARIOS = {
    'round robin': lambda frame: Frame(),
    'keyframes': lambda frame: Frame(settings_of(policy='keyframe')),
    'no refresh': lambda frame: Frame(settings_of(policy='none')),
    'a halo': lambda frame: Frame(settings_of(halo=1)),
    'a halo now and then': lambda frame: Frame(settings_of(halo=frame // 3 % 2)),
    'another period': lambda frame: Frame(settings_of(refresh_period=(9, 3, 1, 7)[frame // 4])),
    'another policy': lambda frame: Frame(settings_of(
        policy=('round_robin', 'none', 'keyframe', 'round_robin')[frame // 4])),
    'another factor': lambda frame: Frame(factor=(1.0, 0.3, 0.0, 4.0)[frame % 4]),
    'crossover and cuts': lambda frame: Frame(limits=PlanLimits(0.4, 0.6)),
    'budgets': lambda frame: Frame(settings_of(), PlanLimits(budget=20 + 11 * (frame % 4))),
    'budgets and a halo': lambda frame: Frame(settings_of(halo=1), PlanLimits(budget=30)),
    'budgets now and then': lambda frame: Frame(
        settings_of(), PlanLimits(budget=25 if frame % 3 else None)),
    'a budget without refresh': lambda frame: Frame(
        settings_of(policy='none'), PlanLimits(budget=30)),
    'hardly a budget': lambda frame: Frame(settings_of(), PlanLimits(budget=1)),
}


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

        assert (lists is None) == (plan.patches is None)
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

    assert counts.cells and not counts.pixels and not counts.reached and not lists.heads


def check_lists(lists, plan: FramePlan, stem: Stem, counts) -> None:
    forced = plan.due if plan.halo is None else plan.due | plan.halo
    assert counts.due == plan.due.sum() and counts.active == plan.patches.shape[0]
    check(lists.patches, plan.patches)
    check(lists.cells, plan.cells)
    if counts.cells:
        assert torch.equal(lists.forced, forced[lists.cells])
    for item in (LOCAL, LINEAR):
        level = Level(stem.grid, item.side)
        for found, border in zip(lists.heads[item].layers, item.borders):
            check(found, around(level, plan.cells, border))
        check(lists.heads[item].reached, around(Level(stem.grid, 1), plan.cells, item.cell_border))


def check(found: torch.Tensor, expected: torch.Tensor) -> None:
    """Check that a list is filled up by repeating its last entry, or of any entry if empty."""
    count = expected.shape[0]
    assert found.shape[0] > count and found.dtype == torch.int64
    if count:
        assert torch.equal(found[:count], expected)
        assert (found[count:] == expected[-1]).all()


@pytest.mark.parametrize('operators, budgeted, most, most_to_learn', [
    (PLAIN, False, 45, 42), (PLAIN, True, 84, 42), (FUSED, False, 15, 7), (FUSED, True, 63, 7)])
@pytest.mark.parametrize('stem', STEMS)
def test_gate_and_lists_are_few_launches_and_never_wait(
        stem, operators, budgeted, most, most_to_learn):
    stem = STEMS[stem]
    asked = Frame(limits=PlanLimits(budget=30 if budgeted else None))
    with pretended_cuda() as device:
        host = StaticHost(stem, torch.device('cuda:0'), operators)
        images = [stem.cut(image).to('cuda:0') for image in room_clip('static', 1.0)[:4]]
        for image in images[:3]:
            host.see(image, asked)
        sizes = bucket_sizes(stem.grid, (LOCAL, LINEAR))[2]
        host.gate.prepare_lists(host.state, sizes)
        for learn in (False, True):
            device.clear()
            host.gate.observe(host.state, images[3], learn=learn, budgeted=budgeted)
            lists = host.gate.lists(host.state, sizes)
            assert device.launches <= most + (most_to_learn if learn else 0)
            assert not device.synchronisations
            device.clear()
            host.gate.settle(host.state, lists)
            assert device.launches <= 5 and not device.synchronisations


CAPTURED = ('a halo now and then', 'another period', 'another policy', 'another factor', 'budgets',
            'budgets now and then')


@pytest.mark.parametrize('operators', [PLAIN, FUSED], ids=['plain', 'fused'])
@pytest.mark.parametrize('scenario', CAPTURED)
def test_a_captured_gate_follows_what_the_user_changes(scenario, operators):
    stem, ask = STEMS['convolutions'], SCENARIOS[scenario]
    with pretended_cuda():
        device = torch.device('cuda:0')
        hosts = [kind(stem, device, operators) for kind in (StaticHost, CapturingHost)]

        for number, image in enumerate(room_clip('static', 1.0)):
            for host in hosts:
                host.see(image.to('cuda:0'), ask(number))
            first, second = (tensors_of(host.state) for host in hosts)
            assert all(torch.equal(first[name].cpu(), second[name].cpu()) for name in first)

        assert len(hosts[1].graphs) == (4 if scenario == 'budgets now and then' else 2)


class ExportedFrame(torch.nn.Module):
    """One frame, all tensors of the state being buffers of a module."""

    def __init__(self, host: StaticHost, sizes: ListSizes) -> None:
        super().__init__()
        self.host, self.sizes = host, sizes

    def forward(self, image, tensors):
        state = with_tensors(self.host.state, tensors)
        self.host.gate.observe(state, image, learn=True)
        lists = self.host.gate.lists(state, self.sizes)
        self.host.gate.settle(state, lists)
        return lists.patches, lists.cells, lists.forced, *lists.heads[LOCAL].layers


def tensors_of(state) -> dict[str, torch.Tensor]:
    found = {name: value for name, value in vars(state).items() if isinstance(value, torch.Tensor)}
    inner = {**vars(state.change), **vars(state.change.noise)}
    return {**found, **{name: value for name, value in inner.items()
                        if isinstance(value, torch.Tensor)}}


def with_tensors(state, tensors):
    def changed(item):
        return {name: tensors[name] for name in vars(item) if name in tensors}

    noise = replace(state.change.noise, **changed(state.change.noise))
    change = replace(state.change, noise=noise, **changed(state.change))
    return replace(state, change=change, **changed(state))


def test_gate_and_lists_can_be_exported():
    stem = STEMS['convolutions']
    host, images = StaticHost(stem), room_clip('static', 1.0)
    for image in images[:3]:
        host.see(image, Frame())
    sizes = bucket_sizes(stem.grid, (LOCAL, LINEAR))[4]
    host.gate.prepare_lists(host.state, sizes)
    frame = ExportedFrame(host, sizes)
    before = {name: value.clone() for name, value in tensors_of(host.state).items()}

    exported = torch.export.export(frame, (images[3], before), strict=False)

    first, second = ({name: value.clone() for name, value in before.items()} for _ in range(2))
    for image in images[3:6]:
        for found, expected in zip(exported.module()(image, first), frame(image, second)):
            assert torch.equal(found, expected)
    assert all(torch.equal(first[name], second[name]) for name in first)
