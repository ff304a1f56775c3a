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
    TaskReference,
    TokenMasks,
)
from mtshare_ros.training.losses import PartialLoss
from mtshare_ros.training.stage_config import GateConfig


@dataclass(frozen=True)
class GatedClips:
    """
    The last two frames of clips (B, T, 3, H, W) as the network sees them behind the input gate.

    ``before`` and ``now`` (B, 3, H, W) uint8 are the reference images: each patch as it was last
    transmitted. ``entering`` (B, N) bool are the tokens of the patches that the last frame
    transmits, ``forced`` (B, N) bool those that the refresh makes due.
    """

    before: torch.Tensor
    now: torch.Tensor
    entering: torch.Tensor
    forced: torch.Tensor


class InputGate:
    """
    Runs detector and planner of the sharing engine on clips; keeps no state between calls.

    ``factor`` multiplies the change that a patch must show to be transmitted.
    """

    def __init__(self, network: MultiTaskNetwork, device: torch.device, factor: float) -> None:
        self._patch_size = network.config.patch_size
        self._detector = ChangeDetector(device, self._patch_size)
        self._planner = Planner(receptive_field_of_stem(network).spread)
        self._settings = SharingSettings()
        self._factor = factor

    def __call__(self, clips: torch.Tensor, turns: list[int]) -> GatedClips:
        """
        Return what the input gate transmits of clips (B, T, 3, H, W) uint8, two frames or more.

        ``turns`` (B) are the positions of their last frames in the refresh schedule.
        """
        seen = [self._stream(clip, turn) for clip, turn in zip(clips, turns)]
        before, now, entering, forced = (torch.stack(parts) for parts in zip(*seen))
        return GatedClips(before, now, entering, forced)

    def _stream(
        self, clip: torch.Tensor, turn: int
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return a clip's reference images, entering and forced tokens, see GatedClips."""
        side = self._patch_size
        grid = (clip.shape[2] // side, clip.shape[3] // side)
        state = self._detector.allocate(grid)
        ages = torch.zeros(grid[0] * grid[1], dtype=torch.int32, device=clip.device)
        self._detector.observe(state, clip[:1])
        self._detector.transmit_all(state)
        before = now = clip[0]
        entering = forced = torch.zeros_like(ages, dtype=torch.bool)
        # counted so that the last frame comes at ``turn`` of the schedule
        for number, frame in enumerate(clip[1:], start=turn + 2 - len(clip)):
            plan = self._planner.plan(
                grid, number % self._settings.refresh_period,
                self._detector.observe(state, frame[None]), ages, self._factor, self._settings,
                PlanBounds())
            patches = _mask(plan.transmitted, ages)
            self._detector.transmit(state, patches.nonzero()[:, 0])
            pixels = patches.view(grid).repeat_interleave(side, 0).repeat_interleave(side, 1)
            before, now = now, torch.where(pixels, frame, now)
            entering = _mask(plan.patches, ages)
            forced = torch.zeros_like(entering) if plan.due is None else plan.due
        return before, now, entering, forced


def _mask(tokens: torch.Tensor | None, like: torch.Tensor) -> torch.Tensor:
    """Return token indices (n,) as a mask (N,); None means all tokens."""
    if tokens is None:
        return torch.ones_like(like, dtype=torch.bool)
    return torch.zeros_like(like, dtype=torch.bool).index_fill_(0, tokens, True)


@dataclass(frozen=True)
class GatedFrame:
    """
    The network's result for the last frame of B clips.

    ``raw`` is the task's raw output, ``steps`` the result of each block. The first ``patches`` of
    the tokens belong to the grid; shares leave the prefix tokens out.
    """

    raw: torch.Tensor
    steps: tuple[GatedStep, ...]
    thresholds: TaskThresholds
    patches: int

    def temporal_excess(self) -> PartialLoss:
        """Return by how much temporal distances exceed their thresholds, over all blocks."""
        return _excess((step.moved, threshold, step.entered)
                       for step, threshold in zip(self.steps, self.thresholds.temporal))

    def task_excess(self) -> PartialLoss:
        """Return by how much the distances for reuse exceed their thresholds."""
        return _excess((step.test, threshold, step.tokens)
                       for step, threshold in zip(self.steps, self.thresholds.task)
                       if step.test is not None)

    def passed_share(self) -> torch.Tensor:
        """Return the mean share of tokens that went through a block."""
        return torch.stack([self._of_patches(step.tokens.active).float().mean()
                            for step in self.steps]).mean()

    def reused_share(self) -> torch.Tensor:
        """Return the share of the active tokens that a sub-task's blocks reused."""
        pairs = [(self._of_patches(step.reused), self._of_patches(step.tokens.active))
                 for step in self.steps if step.reused is not None]
        reused = sum(reused.sum() for reused, _ in pairs)
        return reused / max(sum(int(active.sum()) for _, active in pairs), 1)

    def _of_patches(self, tokens: torch.Tensor) -> torch.Tensor:
        return tokens[:, :self.patches]


class GatedPass:
    """Runs clips through a network in which the gates of the sharing engine act."""

    def __init__(self, network: MultiTaskNetwork, task: str, config: GateConfig) -> None:
        self._network, self._task = network, task
        self._thresholds = default_thresholds(network.config).scaled(
            config.temporal_threshold, config.task_threshold)

    def __call__(self, clips: GatedClips) -> GatedFrame:
        """Return the result for the clips' last frame; the frame before it has no gradient."""
        network, config = self._network, self._network.config
        grid = config.grid_of(tuple(clips.now.shape[2:]))
        rotary = network.rotary(grid, clips.now.device)
        with torch.no_grad():
            before = self._remember(self._stem(clips.before), rotary)
        features = self._stem(clips.now)
        tokens = TokenMasks(clips.entering, clips.forced).with_prefix(config.prefix_tokens)
        steps = self._run(_Frame(network.embed(features.tokens), tokens, rotary), before)
        taps = config.taps_of(config.head_of(self._task))
        given = network.head_input(
            self._task, [steps[block - 1].output for block in taps], features)
        return GatedFrame(network.heads[self._task](given), steps, self._thresholds,
                          grid[0] * grid[1])

    def _stem(self, image: torch.Tensor) -> StemFeatures:
        return self._network.stem(self._network.normalize(image))

    def _remember(self, features: StemFeatures, rotary: RotaryTable | None) -> '_Memories':
        """Compute every token of a frame in every block, and return what the blocks keep."""
        network, patches = self._network, features.tokens[0, 0].numel()
        shared, values = _through(
            network.shared_blocks, network.embed(features.tokens), rotary, patches)
        base, _ = _through(network.own_blocks(network.base_task), values, rotary, patches)
        if self._task not in network.branches:
            return _Memories(shared, base, base)
        own, _ = _through(network.own_blocks(self._task), values, rotary, patches)
        return _Memories(shared, base, own)

    def _run(self, frame: '_Frame', before: '_Memories') -> tuple[GatedStep, ...]:
        """Run a frame's tokens through the blocks of the task."""
        network, depth = self._network, self._network.config.shared_depth
        thresholds = self._thresholds.temporal
        shared = frame.through(network.shared_blocks, before.shared, thresholds[:depth])
        frame = frame.after(shared)
        is_sub_task = self._task in network.branches
        # for a sub-task, the base's blocks are frozen and only what it reuses
        with torch.set_grad_enabled(not is_sub_task):
            base = frame.through(
                network.own_blocks(network.base_task), before.base, thresholds[depth:])
        if not is_sub_task:
            return (*shared, *base)
        own = frame.through(network.own_blocks(self._task), before.own, thresholds[depth:],
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
    """What the shared, the base task's and the task's own blocks keep of the frame before."""

    shared: list[Memory]
    base: list[Memory]
    own: list[Memory]


@dataclass(frozen=True)
class _Frame:
    """Tokens (B, T, D) between two blocks, and which of them are active."""

    values: torch.Tensor
    tokens: TokenMasks
    rotary: RotaryTable | None

    def through(
        self, blocks: Sequence[Block], memories: Sequence[Memory], thresholds: Sequence[float],
        references: Sequence[TaskReference] | None = None, task_thresholds: Sequence[float] = (),
    ) -> list[GatedStep]:
        """Run the tokens through blocks, one after the other."""
        frame, steps = self, []
        for number, (block, memory, threshold) in enumerate(zip(blocks, memories, thresholds)):
            reference = references[number] if references else None
            steps.append(compute_some(
                block, frame.values, frame.rotary, memory, frame.tokens, threshold,
                reference=reference, task_threshold=task_thresholds[number] if reference else 0.0))
            frame = frame.after(steps)
        return steps

    def after(self, steps: Sequence[GatedStep]) -> '_Frame':
        """Return the frame after the last of some steps, itself where there is none."""
        return _Frame(steps[-1].output, steps[-1].tokens, self.rotary) if steps else self


def _through(
    blocks: Iterable[Block], values: torch.Tensor, rotary: RotaryTable | None, patches: int
) -> tuple[list[Memory], torch.Tensor]:
    """Compute every token in every block; return what the blocks keep, and the output."""
    memories = []
    for block in blocks:
        memories.append(compute_all(block, values, rotary, patches))
        values = memories[-1].output
    return memories, values


def _excess(tests: Iterable[tuple[torch.Tensor, float, TokenMasks]]) -> PartialLoss:
    """Sum by how much distances (B, T) exceed their thresholds, over tokens a gate may drop."""
    totals, counts = [], []
    for test, threshold, tokens in tests:
        droppable = tokens.active & ~tokens.forced
        totals.append((test - threshold).clamp(min=0)[droppable].sum())
        counts.append(droppable.sum())
    return PartialLoss(torch.stack(totals).sum(), torch.stack(counts).sum())
