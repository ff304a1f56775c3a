"""The gates of the sharing engine in the forward pass of training, on clips."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch

from mtshare_ros.model.backbone import Block, RotaryTable, StemFeatures
from mtshare_ros.model.description import default_thresholds, TaskThresholds
from mtshare_ros.model.network import MultiTaskNetwork
from mtshare_ros.sharing.change import ChangeDetector
from mtshare_ros.sharing.gates import delta_share
from mtshare_ros.sharing.plan import PlanBounds, Planner
from mtshare_ros.sharing.sharing_settings import SharingSettings
from mtshare_ros.sharing.stem import receptive_field_of_stem
from mtshare_ros.training.gated_blocks import (
    compute_all,
    compute_some,
    GatedStep,
    Memory,
    Rows,
    TaskReference,
)
from mtshare_ros.training.losses import PartialLoss
from mtshare_ros.training.stage_config import GateConfig


@dataclass(frozen=True)
class GatedFilms:
    """
    What the network sees of films (B, T, 3, H, W) in their last two frames.

    ``before`` and ``now`` (B, 3, H, W) uint8 are the reference images, made of each patch when it
    was last transmitted. ``entering`` (B, N) bool are the rows that the last frame lets in,
    ``forced`` (B, N) bool those whose refresh turn has come.
    """

    before: torch.Tensor
    now: torch.Tensor
    entering: torch.Tensor
    forced: torch.Tensor


class InputGate:
    """
    Runs detector and planner of the sharing engine; holds nothing of a film.

    ``factor`` scales the change of a patch that counts, as the factor on temporal thresholds does.
    """

    def __init__(self, network: MultiTaskNetwork, device: torch.device, factor: float) -> None:
        self._patch_size = network.config.patch_size
        self._detector = ChangeDetector(device, self._patch_size)
        self._planner = Planner(receptive_field_of_stem(network).spread)
        self._settings = SharingSettings()
        self._factor = factor

    def __call__(self, films: torch.Tensor, turns: list[int]) -> GatedFilms:
        """
        Let films (B, T, 3, H, W) uint8 in, at least two frames each.

        ``turns`` (B) say where in the refresh schedule their last frame comes.
        """
        seen = [self._stream(film, turn) for film, turn in zip(films, turns)]
        before, now, entering, forced = (torch.stack(parts) for parts in zip(*seen))
        return GatedFilms(before, now, entering, forced)

    def _stream(
        self, film: torch.Tensor, turn: int
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return a film's reference images, entering and forced rows, see GatedFilms."""
        side = self._patch_size
        grid = (film.shape[2] // side, film.shape[3] // side)
        state = self._detector.allocate(grid)
        ages = torch.zeros(grid[0] * grid[1], dtype=torch.int32, device=film.device)
        self._detector.observe(state, film[:1])
        self._detector.transmit_all(state)
        before = now = film[0]
        entering = forced = torch.zeros_like(ages, dtype=torch.bool)
        for number, frame in enumerate(film[1:], start=turn + 2 - len(film)):
            plan = self._planner.plan(
                grid, number % self._settings.refresh_period,
                self._detector.observe(state, frame[None]), ages, self._factor, self._settings,
                PlanBounds())
            patches = _mask(plan.transmitted, ages)
            self._detector.transmit(state, patches.nonzero()[:, 0])
            before, now = now, torch.where(_pixels(patches.view(grid), side), frame, now)
            entering = _mask(plan.patches, ages)
            forced = torch.zeros_like(entering) if plan.due is None else plan.due
        return before, now, entering, forced


def _mask(rows: torch.Tensor | None, like: torch.Tensor) -> torch.Tensor:
    """Return rows (n,) as a mask (N,); None means all."""
    if rows is None:
        return torch.ones_like(like, dtype=torch.bool)
    return torch.zeros_like(like, dtype=torch.bool).index_fill_(0, rows, True)


def _pixels(patches: torch.Tensor, side: int) -> torch.Tensor:
    """Return a mask of patches (rows, columns) of a side as one of their pixels (H, W)."""
    return patches.repeat_interleave(side, 0).repeat_interleave(side, 1)


@dataclass(frozen=True)
class GatedFrame:
    """
    What the network made of the last frame of B films.

    ``raw`` is the task's raw output, ``steps`` what each of its blocks did with the rows, of which
    the first ``cells`` are those of the grid. Shares are of the cells.
    """

    raw: torch.Tensor
    steps: tuple[GatedStep, ...]
    thresholds: TaskThresholds
    cells: int

    def temporal_excess(self) -> PartialLoss:
        """Return by how much temporal tests exceed their limits, over all rows and blocks."""
        return _excess((step.moved, limit, step.entered)
                       for step, limit in zip(self.steps, self.thresholds.temporal))

    def task_excess(self) -> PartialLoss:
        """Return by how much the tests for reuse exceed their limits."""
        return _excess((step.test, limit, step.rows)
                       for step, limit in zip(self.steps, self.thresholds.task)
                       if step.test is not None)

    def passed_share(self) -> torch.Tensor:
        """Return the mean share of rows that went through a block."""
        return torch.stack([self._of_cells(step.rows.active).float().mean()
                            for step in self.steps]).mean()

    def taken_share(self) -> torch.Tensor:
        """Return which share of the rows in blocks with a base task was reused."""
        pairs = [(self._of_cells(step.reused), self._of_cells(step.rows.active))
                 for step in self.steps if step.reused is not None]
        reused = sum(reused.sum() for reused, _ in pairs)
        return reused / max(sum(int(active.sum()) for _, active in pairs), 1)

    def _of_cells(self, rows: torch.Tensor) -> torch.Tensor:
        return rows[:, :self.cells]


class GatedPass:
    """Runs films through a network in which the gates of the sharing engine act."""

    def __init__(self, network: MultiTaskNetwork, task: str, config: GateConfig) -> None:
        self._network, self._task = network, task
        self._thresholds = default_thresholds(network.config).scaled(
            config.temporal_threshold, config.task_threshold)

    def __call__(self, films: GatedFilms) -> GatedFrame:
        """Return what the task's network makes of the films' last frame."""
        network, config = self._network, self._network.config
        grid = config.grid_of(tuple(films.now.shape[2:]))
        rotary = network.rotary(grid, films.now.device)
        with torch.no_grad():
            before = self._remember(self._stem(films.before), rotary)
        features = self._stem(films.now)
        rows = Rows(films.entering, films.forced).with_prefix(config.prefix_tokens)
        steps = self._run(_Frame(network.embed(features.tokens), rows, rotary), before)
        taps = config.taps_of(config.head_of(self._task))
        given = network.head_input(
            self._task, [steps[block - 1].output for block in taps], features)
        return GatedFrame(network.heads[self._task](given), steps, self._thresholds,
                          grid[0] * grid[1])

    def _stem(self, image: torch.Tensor) -> StemFeatures:
        return self._network.stem(self._network.normalize(image))

    def _remember(self, features: StemFeatures, rotary: RotaryTable | None) -> '_Memories':
        """Compute a frame whole."""
        network, cells = self._network, features.tokens[0, 0].numel()
        shared, values = _through(
            network.shared_blocks, network.embed(features.tokens), rotary, cells)
        base, _ = _through(network.own_blocks(network.base_task), values, rotary, cells)
        if self._task not in network.branches:
            return _Memories(shared, base, base)
        own, _ = _through(network.own_blocks(self._task), values, rotary, cells)
        return _Memories(shared, base, own)

    def _run(self, frame: '_Frame', before: '_Memories') -> tuple[GatedStep, ...]:
        """Run a frame's rows through the blocks of the task."""
        network, depth = self._network, self._network.config.shared_depth
        limits = self._thresholds.temporal
        shared = frame.through(network.shared_blocks, before.shared, limits[:depth])
        frame = frame.after(shared)
        is_sub_task = self._task in network.branches
        with torch.set_grad_enabled(not is_sub_task):
            base = frame.through(
                network.own_blocks(network.base_task), before.base, limits[depth:])
        if not is_sub_task:
            return (*shared, *base)
        own = frame.through(network.own_blocks(self._task), before.own, limits[depth:],
                            self._references(before.base, base), self._thresholds.task[depth:])
        return (*shared, *own)

    def _references(
        self, before: Sequence[Memory], base: Sequence[GatedStep]
    ) -> list[TaskReference]:
        network = self._network
        blocks = zip(network.own_blocks(self._task), network.own_blocks(network.base_task))
        return [TaskReference(memory, step.memory, delta_share(own, shared))
                for memory, step, (own, shared) in zip(before, base, blocks)]


@dataclass(frozen=True)
class _Memories:
    """What shared blocks, the base task's and the task's own ones keep of the frame before."""

    shared: list[Memory]
    base: list[Memory]
    own: list[Memory]


@dataclass(frozen=True)
class _Frame:
    """Rows (B, T, D) on their way through the blocks, and which of them are at work."""

    values: torch.Tensor
    rows: Rows
    rotary: RotaryTable | None

    def through(
        self, blocks: Sequence[Block], memories: Sequence[Memory], limits: Sequence[float],
        references: Sequence[TaskReference] | None = None, task_limits: Sequence[float] = (),
    ) -> list[GatedStep]:
        """Run the rows through blocks, one after the other."""
        frame, steps = self, []
        for number, (block, memory, limit) in enumerate(zip(blocks, memories, limits)):
            reference = references[number] if references else None
            steps.append(compute_some(
                block, frame.values, frame.rotary, memory, frame.rows, limit,
                reference=reference, task_limit=task_limits[number] if reference else 0.0))
            frame = frame.after(steps)
        return steps

    def after(self, steps: Sequence[GatedStep]) -> '_Frame':
        """Return the frame behind the last of some steps, itself where there is none."""
        return _Frame(steps[-1].output, steps[-1].rows, self.rotary) if steps else self


def _through(
    blocks: Iterable[Block], values: torch.Tensor, rotary: RotaryTable | None, cells: int
) -> tuple[list[Memory], torch.Tensor]:
    """Compute every row in every block; return what the blocks keep, and the output."""
    memories = []
    for block in blocks:
        memories.append(compute_all(block, values, rotary, cells))
        values = memories[-1].output
    return memories, values


def _excess(tests: Iterable[tuple[torch.Tensor, float, Rows]]) -> PartialLoss:
    """Add up by how much tests (B, T) exceed their limits on the rows that a gate could stop."""
    totals, counts = [], []
    for test, limit, rows in tests:
        at_work = rows.active & ~rows.forced
        totals.append((test - limit).clamp(min=0)[at_work].sum())
        counts.append(at_work.sum())
    return PartialLoss(torch.stack(totals).sum(), torch.stack(counts).sum())
