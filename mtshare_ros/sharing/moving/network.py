"""A network whose view moves: its memory stays with the world, given cells are computed."""

from dataclasses import replace
from typing import Callable

import torch

from mtshare_ros.errors import ConfigError
from mtshare_ros.sharing.account import account_of, FrameAccount
from mtshare_ros.sharing.cache import ActivationCache
from mtshare_ros.sharing.encoder import StageRun
from mtshare_ros.sharing.frame import Frame
from mtshare_ros.sharing.head import HeadUpdate
from mtshare_ros.sharing.local_head import LocalRunner
from mtshare_ros.sharing.members import run_members
from mtshare_ros.sharing.moving.heads import MovingHeads
from mtshare_ros.sharing.moving.ring import RingGrid
from mtshare_ros.sharing.moving.state import MovingState, WorldRotations
from mtshare_ros.sharing.moving.view_account import account_of_view
from mtshare_ros.sharing.moving.whole_heads import WholeHeads
from mtshare_ros.sharing.network import SharingNetwork
from mtshare_ros.sharing.plan import FramePlan
from mtshare_ros.sharing.settings import SharingSettings

KIND = 'fast'
"""The kind of block that can follow a view."""


class MovingNetwork:
    """
    Runs the same weights as a ``SharingNetwork`` on a camera that moves.

    It goes on from frames of that network, in whose place nothing is copied: ``take`` them. The
    stem sees every image whole where heads read its features; above it, cells are computed that
    somebody else has chosen. Heads of the kind ``local`` decode these, others the whole view.
    Afterwards, the network at rest must start anew.
    """

    def __init__(self, sharing: SharingNetwork) -> None:
        self._sharing = sharing
        self._runners = sharing.runners(KIND)
        heads = self._runners.heads
        local = {task: runner for task, runner in heads.items() if isinstance(runner, LocalRunner)}
        others = {task: runner for task, runner in heads.items() if task not in local}
        self._local_tasks = tuple(local)
        self._local, self._others = MovingHeads(local), WholeHeads(others)

    def take(self, cache: ActivationCache) -> MovingState:
        """Return what to go on with after a frame of the network at rest, or a whole one."""
        camera = cache.camera
        if camera.kind != KIND:
            raise ConfigError(
                f'the block kind {camera.kind!r} cannot follow a camera that moves; use {KIND!r}')
        camera.outputs.freeze_all()
        ring = RingGrid.at_rest(camera.grid, camera.ages.device)
        rotations = WorldRotations(self._runners.encoder, camera.encoder, ring)
        encoder = replace(camera.encoder, rotations=rotations.table)
        return MovingState(camera, encoder, ring, rotations, self._local.allocate(camera))

    def run(
        self, state: MovingState, image: torch.Tensor, tasks: tuple[str, ...],
        settings: SharingSettings, cells: torch.Tensor, refreshed: torch.Tensor | None = None,
        lap: Callable[[str], None] = lambda stage: None,
    ) -> FrameAccount:
        """
        Bring ``cells`` (n,) of the view, sorted, up to an image (1, 3, H, W) uint8.

        Those that are new must be among them. No gate drops the new and the ``refreshed`` (N,)
        bool, and no sub-task takes them over. Of the others settings decide: without ``temporal``
        every block computes them, or takes them over. Raw outputs hold for the cells alone. All
        cells of the account are those of the view.
        """
        _check_new(state.ring, cells)
        state.rotations.renew(state.ring)
        frame, seen = self._frame(state, tasks, settings, cells, refreshed)
        state.camera.frame += 1
        tokens = self._tokens(state, image, seen)
        lap('stem')
        shared = self._run_shared(frame, tokens, seen)
        self._leave_out(state, frame)
        members = run_members(frame, shared)
        lap('blocks')
        self._grow_young(frame)
        state.ring = state.ring.computed(cells)
        outputs = self._decode(state, tasks, cells)
        lap('heads')
        account = account_of(frame, shared, members, outputs)
        return account_of_view(state.ring, account, self._unlisted(state, cells))

    def _frame(
        self, state: MovingState, tasks: tuple[str, ...], settings: SharingSettings,
        cells: torch.Tensor, refreshed: torch.Tensor | None,
    ) -> tuple[Frame, torch.Tensor]:
        """Return a frame in rows of the caches, and the cells (n,) in the order of the rows."""
        ring = state.ring
        rows = ring.rows.index_select(0, cells).sort().values
        full = ring.new if refreshed is None else ring.new | refreshed
        due = full.index_select(0, ring.cells)
        plan = FramePlan(rows, rows, due=due)
        limits = self._sharing.limits_of(tasks, settings)
        frame = Frame(self._runners, state.turned, tasks, plan, limits, settings)
        return frame, ring.cells.index_select(0, rows)

    def _tokens(
        self, state: MovingState, image: torch.Tensor, cells: torch.Tensor
    ) -> torch.Tensor:
        """Return the stem's tokens (n, D) of cells; its features are those of the whole image."""
        stem, memory = self._runners.stem, state.camera.stem
        if memory.feeds_heads or cells.shape[0] == state.encoder.cell_count:
            return stem.dense(memory, image).index_select(0, cells)
        return stem.update(memory, image, cells, cells)

    def _run_shared(
        self, frame: Frame, tokens: torch.Tensor, cells: torch.Tensor
    ) -> StageRun:
        encoder, state = self._runners.encoder, frame.state.encoder
        listed = frame.plan.cells if cells.shape[0] else None
        rows = encoder.rows(state, [listed], frame.entering)
        values = encoder.embed(state, tokens, cells)
        return encoder.run_shared(state, rows, values, frame.limits.shared)

    def _leave_out(self, state: MovingState, frame: Frame) -> None:
        """Let encoders that miss a frame start anew: rows they know may stand for other cells."""
        backlog, needed = frame.state.members, frame.members()
        if any(map(backlog.is_cold, needed)):  # it will compute rows that are not listed
            state.projected = self._local.allocate(state.camera)
        for member in range(len(self._runners.encoder.members)):
            if member not in needed:
                backlog.freeze(member)

    def _grow_young(self, frame: Frame) -> None:
        """Let the ages of rows that ran ungated start again."""
        ages, tasks = frame.state.ages, self._runners.tasks
        ages += 1
        for number in (0, *(1 + tasks.index(task) for task in frame.tasks)):
            ages[number].masked_fill_(frame.plan.due, 0)

    def _decode(
        self, state: MovingState, tasks: tuple[str, ...], cells: torch.Tensor
    ) -> dict[str, HeadUpdate]:
        """Renew the raw outputs of tasks, those of ``cells`` (n,) at least."""
        camera, encoder, rows = state.camera, self._runners.encoder, state.ring.rows
        local = tuple(task for task in tasks if task in self._local_tasks)
        others = tuple(task for task in tasks if task not in self._local_tasks)
        return {**self._local.run(state.projected, camera, encoder, local, rows, cells),
                **self._others.run(camera, encoder, others, rows, cells)}

    def _unlisted(self, state: MovingState, cells: torch.Tensor) -> int:
        """Return the multiply-accumulates of the stem on cells that are not listed."""
        if not state.camera.stem.feeds_heads:
            return 0
        return (state.encoder.cell_count - cells.shape[0]) * self._runners.stem.macs_per_cell


def _check_new(ring: RingGrid, cells: torch.Tensor) -> None:
    """Raise ValueError where somebody would attend to rows that hold nothing of the view."""
    missing = ring.new.index_fill(0, cells, False)
    if missing.any():
        raise ValueError(f'cells {missing.nonzero()[:, 0].tolist()} entered the view and must be '
                         'computed before anything builds on them; list them among the cells')
