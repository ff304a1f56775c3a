"""A network with its memory: each frame updates the raw outputs of the requested tasks."""

import copy
from typing import Callable, Mapping

import torch

from mtshare_ros.model.description import TaskThresholds
from mtshare_ros.model.network import MultiTaskNetwork
from mtshare_ros.sharing.camera_cache import (
    ActivationCache,
    CameraState,
    Frame,
    Runners,
    StaleTokens,
)
from mtshare_ros.sharing.change import ChangeDetector
from mtshare_ros.sharing.frame_run import run_encoders, run_outputs
from mtshare_ros.sharing.frame_work import FrameWork, work_of
from mtshare_ros.sharing.gates import FrameThresholds, ThresholdTable
from mtshare_ros.sharing.head import make_head
from mtshare_ros.sharing.memory import AUTO
from mtshare_ros.sharing.plan import everything, FramePlan, PlanBounds, Planner
from mtshare_ros.sharing.sharing_settings import SharingSettings
from mtshare_ros.sharing.stem import StemRunner
from mtshare_ros.sharing.transformer import ALONE, StageRun, TransformerRunner, TransformerWeights

SIZE_CHANGED = 'input size changed'
BLOCK_CHANGED = 'kind of block changed'


def _ignore(stage: str) -> None:
    """Do nothing at the end of a stage: the default of ``lap``."""


class SharingNetwork:
    """
    Runs a network on what changed. It holds weights only; a camera's cache is passed in.

    ``thresholds`` are those of every task, ``dtype`` is that of the matrix products and ``layout``
    that of their weights, one of ``memory.LAYOUTS``.
    """

    def __init__(
        self, network: MultiTaskNetwork, thresholds: Mapping[str, TaskThresholds],
        dtype: torch.dtype, layout: str = AUTO,
    ) -> None:
        self.device = next(network.parameters()).device
        self._stem = StemRunner(network, dtype, layout)
        self._heads = {task: make_head(network, task, dtype, layout) for task in network.tasks}
        self._weights = TransformerWeights(network, dtype, layout)
        self._transformers: dict[str, TransformerRunner] = {}
        self._depth = network.config.depth
        self._detector = ChangeDetector(self.device, network.config.patch_size)
        self._planner = Planner(self._stem.affected)
        self._use(thresholds)

    @property
    def sides(self) -> dict[str, int]:
        """By task the pixels of its raw output along a side of a patch."""
        return {task: head.side for task, head in self._heads.items()}

    def with_thresholds(self, thresholds: Mapping[str, TaskThresholds]) -> 'SharingNetwork':
        """Return a network with the same weights and other thresholds."""
        other = copy.copy(self)
        other._use(thresholds)
        return other

    def _use(self, thresholds: Mapping[str, TaskThresholds]) -> None:
        self.thresholds = dict(thresholds)
        self._table = ThresholdTable(thresholds, self._weights.encoders,
                                     len(self._weights.shared), self._depth, self.device)

    def thresholds_of(self, tasks: tuple[str, ...], settings: SharingSettings) -> FrameThresholds:
        """Return the thresholds for a frame of ``tasks``."""
        return self._table.of(tasks, settings)

    def runners(self, kind: str) -> Runners:
        """Return the runners with one kind of block, made at the first call."""
        if kind not in self._transformers:
            weights = self._weights.plain() if kind == ALONE else self._weights
            self._transformers[kind] = TransformerRunner(weights, kind)
        return Runners(self._stem, self._transformers[kind], self._heads)

    def run(
        self, cache: ActivationCache, image: torch.Tensor, tasks: tuple[str, ...],
        settings: SharingSettings, bounds: PlanBounds, lap: Callable[[str], None] = _ignore,
    ) -> FrameWork:
        """
        Update the raw outputs of ``tasks`` for an image (1, 3, H, W) uint8.

        ``lap`` is called with the name of each stage when it has ended.
        """
        state = self._state_of(cache, image, settings.block)
        thresholds = self.thresholds_of(tasks, settings)
        plan = self._plan(cache, state, image, thresholds.input_factor, settings, bounds)
        lap('gate')
        return self._compute(cache, Frame(self.runners(settings.block), state, tasks, plan,
                                          thresholds, settings), image, lap)

    def run_alone(
        self, cache: ActivationCache, image: torch.Tensor, tasks: tuple[str, ...],
        lap: Callable[[str], None] = _ignore,
    ) -> FrameWork:
        """
        Do what ``run`` does, for a single image; ``cache`` is a new one.

        What only later frames or other tasks would use is not computed.
        """
        state = self._state_of(cache, image, ALONE)
        settings = SharingSettings(temporal=False, task=False)
        thresholds, plan = self.thresholds_of(tasks, settings), everything(cache.reset_reason)
        lap('gate')
        return self._compute(cache, Frame(self.runners(ALONE), state, tasks, plan,
                                          thresholds, settings), image, lap)

    def run_patches(
        self, cache: ActivationCache, image: torch.Tensor, tasks: tuple[str, ...],
        settings: SharingSettings, patches: torch.Tensor,
    ) -> FrameWork:
        """Do what ``run`` does, but with given patches (n,), which no gate drops."""
        state = self._state_of(cache, image, settings.block)
        self._detector.observe(state.change, image)
        mask = torch.zeros(state.ages.shape[1], dtype=torch.bool, device=self.device)
        mask[patches] = True
        plan = FramePlan(patches, patches, due=mask, changed=mask)
        self._detector.transmit(state.change, patches)
        thresholds = self.thresholds_of(tasks, settings)
        return self._compute(cache, Frame(self.runners(settings.block), state, tasks, plan,
                                          thresholds, settings), image, _ignore)

    def _plan(
        self, cache: ActivationCache, state: CameraState, image: torch.Tensor, factor: float,
        settings: SharingSettings, bounds: PlanBounds,
    ) -> FramePlan:
        """Choose the patches of a frame, and record them as transmitted."""
        scores = self._detector.observe(state.change, image)
        if cache.reset_reason:
            plan = everything(cache.reset_reason)
        else:
            plan = self._planner.plan(
                state.grid, state.frame, scores, state.ages[0], factor, settings, bounds)
        if plan.transmitted is None:
            self._detector.transmit_all(state.change)
        else:
            self._detector.transmit(state.change, plan.transmitted)
        return plan

    def _compute(
        self, cache: ActivationCache, frame: Frame, image: torch.Tensor,
        lap: Callable[[str], None],
    ) -> FrameWork:
        if frame.plan.reset_reason:
            frame.state.start_anew()
        frame.state.frame += 1
        frame.state.ages += 1
        shared = self._run_shared(frame, image, lap)
        encoders = run_encoders(frame, shared)
        lap('blocks')
        outputs = run_outputs(frame, encoders)
        lap('heads')
        cache.started()
        return work_of(frame, shared, encoders, outputs)

    def _run_shared(
        self, frame: Frame, image: torch.Tensor, lap: Callable[[str], None]
    ) -> StageRun:
        """Run stem and shared blocks on the tokens of the plan."""
        stem, transformer, state, plan = (
            frame.runners.stem, frame.runners.transformer, frame.state, frame.plan)
        if plan.transmitted is None or plan.patches is None:
            state.ages[0] = 0
            index, thresholds = frame.every, None
            tokens = stem.dense(state.stem, image)
        else:
            if plan.due is not None:
                state.ages[0].masked_fill_(plan.due, 0)
            index, thresholds = plan.patches, frame.thresholds.shared
            tokens = stem.update(state.stem, image, plan.transmitted, index)
        lap('stem')
        forced = None if thresholds is None else frame.entering
        listed = index if index.shape[0] else None
        active = transformer.active_tokens(state.transformer, [listed], forced)
        values = transformer.embed(state.transformer, tokens, index)
        due = None if plan.halo is None else plan.due
        return transformer.run_shared(state.transformer, active, values, thresholds, due)

    def _state_of(
        self, cache: ActivationCache, image: torch.Tensor, kind: str
    ) -> CameraState:
        """Return the cache's buffers, allocated if they do not fit."""
        side = self._stem.patch_size
        grid = (image.shape[2] // side, image.shape[3] // side)
        state = cache.state
        if state is None or (state.grid, state.kind) != (grid, kind):
            if state is not None:
                cache.reset(SIZE_CHANGED if state.grid != grid else BLOCK_CHANGED)
            cache.state = state = self._allocate(grid, kind)
        return state

    def _allocate(self, grid: tuple[int, int], kind: str) -> CameraState:
        count, runners = grid[0] * grid[1], self.runners(kind)
        heads = {task: head.allocate(grid, self.device) for task, head in self._heads.items()}
        return CameraState(
            grid, kind, self._detector.allocate(grid), self._stem.allocate(grid, self.device),
            runners.transformer.allocate(grid), heads,
            ages=torch.zeros(1 + len(heads), count, dtype=torch.int32, device=self.device),
            stale_in_encoders=StaleTokens(len(runners.transformer.encoders), count, self.device),
            stale_in_heads=StaleTokens(len(heads), count, self.device),
        )
