"""A network whose view moves: its memory stays with the world, given cells are computed."""

from dataclasses import dataclass, replace
from typing import Callable

import torch

from mtshare_ros.errors import ConfigError
from mtshare_ros.sharing.account import account_of, FrameAccount
from mtshare_ros.sharing.cache import ActivationCache, CameraState
from mtshare_ros.sharing.encoder import EncoderRunner, EncoderState, StageRun
from mtshare_ros.sharing.frame import Frame
from mtshare_ros.sharing.head import HeadUpdate
from mtshare_ros.sharing.local_head import LocalRunner
from mtshare_ros.sharing.members import MemberRun, run_members
from mtshare_ros.sharing.moving.moving_heads import MovingHeads, ProjectedRows, WholeHeads
from mtshare_ros.sharing.moving.ring import RingGrid
from mtshare_ros.sharing.network import SharingNetwork
from mtshare_ros.sharing.plan import FramePlan
from mtshare_ros.sharing.settings import SharingSettings


class WorldRotations:
    """The rotations of all tokens, cells by where they stand in the world."""

    def __init__(self, encoder: EncoderRunner, state: EncoderState, ring: RingGrid) -> None:
        self._encoder, self._prefix_rows = encoder, state.prefix_rows
        self._places, self._origin = ring.places, ring.origin
        table = encoder.rotary_beyond(ring.grid, ring.places, ring.origin)
        self.table = None if table is None else encoder.rotation_table(table)

    def renew(self, ring: RingGrid) -> None:
        """Turn the rows whose place is another than before, and the prefix with the view."""
        if self.table is None or (ring.places is self._places):
            return
        rows = (ring.places != self._places).any(dim=1).nonzero()[:, 0]
        if rows.shape[0] or ring.origin != self._origin:
            places = ring.places.index_select(0, rows)
            table = self._encoder.rotary_beyond(ring.grid, places, ring.origin)
            if table is not None:
                self.table.overwrite(torch.cat((rows, self._prefix_rows)), table)
        self._places, self._origin = ring.places, ring.origin


@dataclass
class MovingState:
    """
    The buffers of a camera, ``camera``, whose view moves over the world.

    Those of the encoder, the ages and what encoders have to catch up with are in the order of the
    ``ring``'s rows; those of the stem and the heads in that of the view's cells. ``encoder`` are
    the camera's own buffers with the ``rotations`` of the world; ``projected`` is by task what
    local heads made of rows.
    """

    camera: CameraState
    encoder: EncoderState
    ring: RingGrid
    rotations: WorldRotations
    projected: dict[str, ProjectedRows]

    @property
    def nbytes(self) -> int:
        """Bytes that it takes beside the buffers of the camera."""
        return sum(rows.nbytes for rows in self.projected.values())

    @property
    def turned(self) -> CameraState:
        """The camera's buffers with the rotations of the world."""
        return replace(self.camera, encoder=self.encoder)

    def follow(self, places: torch.Tensor) -> None:
        """Let each cell have the row whose content lies nearest, see ``RingGrid.followed``."""
        followed = self.ring.followed(places)
        self.ring = followed.ring
        if not followed.copies.shape[0]:
            return
        for buffer in self.encoder.by_row():
            tokens = buffer.view(-1, self.encoder.token_count, *buffer.shape[1:])
            tokens[:, followed.copies] = tokens[:, followed.originals]
        self.camera.ages[:, followed.copies] = self.camera.ages[:, followed.originals]
        for projected in self.projected.values():
            projected.forget(followed.copies)


def account_of_view(ring: RingGrid, account: FrameAccount, more_macs: int) -> FrameAccount:
    """Return the account with ``more_macs``; what heads reached is of the view already."""
    due = account.due
    return replace(
        account, macs=account.macs + more_macs,
        due=None if due is None else due.index_select(0, ring.rows),
        tasks={task: replace(item, run=_run_of_view(ring, item.run))
               for task, item in account.tasks.items()})


def _run_of_view(ring: RingGrid, run: MemberRun) -> MemberRun:
    return replace(
        run, survivors=_cells(ring, run.survivors), taken=_cells(ring, run.taken),
        tapped={block: _cells(ring, rows) for block, rows in run.tapped.items()})


def _cells(ring: RingGrid, rows: torch.Tensor | None) -> torch.Tensor | None:
    """Return the cells (n,), sorted, that rows (n,) stand for; None for all."""
    return None if rows is None else ring.cells.index_select(0, rows).sort().values


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
