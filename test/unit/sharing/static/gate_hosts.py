"""Stems, what is asked of frames, and hosts of static gates."""

from dataclasses import dataclass

import torch

from mtshare_ros.sharing.change import ChangeDetector, learns
from mtshare_ros.sharing.head import HeadGeometry
from mtshare_ros.sharing.pixel_maps import ReceptiveField
from mtshare_ros.sharing.plan import PlanBounds
from mtshare_ros.sharing.sharing_settings import SharingSettings
from mtshare_ros.sharing.static.fixed_lists import ListSizes
from mtshare_ros.sharing.static.operators import Operators, PLAIN
from mtshare_ros.sharing.static.static_gate import Controls, StaticGate

CPU = torch.device('cpu')
CONVOLUTIONAL, PATCHES = ReceptiveField(0, 1), ReceptiveField(0, 0)
LOCAL = HeadGeometry(4, (3, 3), (1, 1), (1, 2), 1)
LINEAR = HeadGeometry(1, (), (), (), 2)


@dataclass(frozen=True)
class Stem:
    """A patch size, what a stem with it reaches, and the grid of an image."""

    side: int
    receptive_field: ReceptiveField
    grid: tuple[int, int]

    def cut(self, image: torch.Tensor) -> torch.Tensor:
        height, width = (patches * self.side for patches in self.grid)
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
    bounds: PlanBounds = PlanBounds()
    factor: float = 1.0


class StaticHost:
    """A static gate and what a host does with it."""

    def __init__(
        self, stem: Stem, device: torch.device = CPU, operators: Operators = PLAIN,
        geometries: tuple[HeadGeometry, ...] = (LOCAL, LINEAR),
    ) -> None:
        self.gate = StaticGate(
            stem.detector(device, operators), stem.receptive_field, geometries, operators)
        self.state = self.gate.allocate(stem.grid)
        self.frame = 0

    def see(self, image: torch.Tensor, asked: Frame):
        """Return counts and lists of a frame, which hold all that was counted; None for whole."""
        state, count = self.state, self.state.ages.shape[0]
        counts, lists = self.observe(image, asked), None
        if counts is not None and not (
                asked.factor == 0 or asked.bounds.cuts(counts.fired, count)
                or asked.bounds.exceeded(counts.patches, count)):
            sizes = sizes_for(counts)
            self.gate.prepare_lists(state, sizes)
            lists = self.gate.lists(state, sizes)
        if lists is not None and not counts.patches:
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
        Controls.of(asked.settings, asked.bounds, frame=frame, factor=asked.factor).write(
            state.controls)
        self.run(image, learns(state.change.frames), asked.bounds.budget is not None)
        return gate.read(state, state.counts.tolist())

    def run(self, image: torch.Tensor, learn: bool, budgeted: bool) -> None:
        self.gate.observe(self.state, image, learn=learn, budgeted=budgeted)


class CapturingHost(StaticHost):
    """One whose gate is captured when first used, and replayed from then on."""

    def __init__(self, stem: Stem, device: torch.device, operators: Operators) -> None:
        super().__init__(stem, device, operators)
        height, width = (patches * stem.side for patches in stem.grid)
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
        counts.patches + 3, counts.patches + 3,
        {item: tuple(count + 5 for count in found) for item, found in counts.pixels.items()},
        {item: count + 2 for item, count in counts.affected.items()})


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
    'crossover and cuts': lambda frame: Frame(bounds=PlanBounds(0.4, 0.6)),
    'budgets': lambda frame: Frame(settings_of(), PlanBounds(budget=20 + 11 * (frame % 4))),
    'budgets and a halo': lambda frame: Frame(settings_of(halo=1), PlanBounds(budget=30)),
    'budgets now and then': lambda frame: Frame(
        settings_of(), PlanBounds(budget=25 if frame % 3 else None)),
    'a budget without refresh': lambda frame: Frame(
        settings_of(policy='none'), PlanBounds(budget=30)),
    'hardly a budget': lambda frame: Frame(settings_of(), PlanBounds(budget=1)),
}
