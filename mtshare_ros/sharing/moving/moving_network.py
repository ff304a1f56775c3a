"""A network on a moving view: its memory stays with the world, given patches are computed."""

from dataclasses import dataclass, replace
from typing import Callable

import torch

from mtshare_ros.errors import ConfigError
from mtshare_ros.sharing.camera_cache import ActivationCache, CameraState, Frame
from mtshare_ros.sharing.frame_run import run_encoders
from mtshare_ros.sharing.frame_work import EncoderRun, FrameWork, work_of
from mtshare_ros.sharing.head import HeadUpdate
from mtshare_ros.sharing.local_runner import LocalRunner
from mtshare_ros.sharing.moving.moving_heads import MovingHeads, ProjectedRows, WholeHeads
from mtshare_ros.sharing.moving.ring import RingGrid
from mtshare_ros.sharing.plan import FramePlan
from mtshare_ros.sharing.sharing_network import SharingNetwork
from mtshare_ros.sharing.sharing_settings import SharingSettings
from mtshare_ros.sharing.transformer import StageRun, TransformerRunner, TransformerState


class WorldRotations:
    """The rotations of all tokens; those of patches are by their places in the world."""

    def __init__(
        self, transformer: TransformerRunner, state: TransformerState, ring: RingGrid
    ) -> None:
        self._transformer, self._prefix_index = transformer, state.prefix_index
        self._places, self._origin = ring.places, ring.origin
        table = transformer.rotary_beyond(ring.grid, ring.places, ring.origin)
        self.table = None if table is None else transformer.rotation_table(table)

    def renew(self, ring: RingGrid) -> None:
        """Update the rows whose place has changed, and the prefix, which moves with the view."""
        if self.table is None or (ring.places is self._places):
            return
        rows = (ring.places != self._places).any(dim=1).nonzero()[:, 0]
        if rows.shape[0] or ring.origin != self._origin:
            places = ring.places.index_select(0, rows)
            table = self._transformer.rotary_beyond(ring.grid, places, ring.origin)
            if table is not None:
                self.table.overwrite(torch.cat((rows, self._prefix_index)), table)
        self._places, self._origin = ring.places, ring.origin


@dataclass
class MovingState:
    """
    The buffers of a camera whose view moves over the world.

    Buffers of the transformer, ages and stale tokens are in the order of the ``ring``'s rows,
    those of the stem and the heads in the order of the view's patches. ``transformer`` has the
    buffers of ``camera`` with the ``rotations`` of the world; ``projected`` is by task what local
    heads keep of rows.
    """

    camera: CameraState
    transformer: TransformerState
    ring: RingGrid
    rotations: WorldRotations
    projected: dict[str, ProjectedRows]

    @property
    def nbytes(self) -> int:
        """Bytes that are taken beside the buffers of the camera."""
        return sum(rows.nbytes for rows in self.projected.values())

    @property
    def turned(self) -> CameraState:
        """The camera's buffers with the rotations of the world."""
        return replace(self.camera, transformer=self.transformer)

    def follow(self, places: torch.Tensor) -> None:
        """Give each patch the row whose content lies nearest, see ``RingGrid.followed``."""
        followed = self.ring.followed(places)
        self.ring = followed.ring
        if not followed.copies.shape[0]:
            return
        for buffer in self.transformer.by_token():
            tokens = buffer.view(-1, self.transformer.token_count, *buffer.shape[1:])
            tokens[:, followed.copies] = tokens[:, followed.originals]
        self.camera.ages[:, followed.copies] = self.camera.ages[:, followed.originals]
        for projected in self.projected.values():
            projected.forget(followed.copies)


def work_of_view(ring: RingGrid, work: FrameWork, more_macs: int) -> FrameWork:
    """Return the work in patches of the view, with ``more_macs``; that of heads is so already."""
    due = work.due
    return replace(
        work, macs=work.macs + more_macs,
        due=None if due is None else due.index_select(0, ring.rows),
        tasks={task: replace(item, run=_run_of_view(ring, item.run))
               for task, item in work.tasks.items()})


def _run_of_view(ring: RingGrid, run: EncoderRun) -> EncoderRun:
    return replace(
        run, survivors=_patches(ring, run.survivors), reused=_patches(ring, run.reused),
        tapped={block: _patches(ring, rows) for block, rows in run.tapped.items()})


def _patches(ring: RingGrid, rows: torch.Tensor | None) -> torch.Tensor | None:
    """Return the patches (n,), sorted, of rows (n,); None for all."""
    return None if rows is None else ring.patches.index_select(0, rows).sort().values


KIND = 'fast'
"""The only kind of block that can follow a view."""


class MovingNetwork:
    """
    Runs the weights of a ``SharingNetwork`` on a camera that moves.

    It continues from a frame of that network, see ``take``, and copies nothing. Where heads read
    the stem's features, the stem computes every image whole; above it only given patches are
    computed. Heads of the kind ``local`` decode these, others the whole view. Afterwards the cache
    must be reset before the network at rest uses it.
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
        """Return the state to continue with after a frame at rest, or a whole one."""
        camera = cache.camera
        if camera.kind != KIND:
            raise ConfigError(
                f'the block kind {camera.kind!r} cannot follow a camera that moves; use {KIND!r}')
        # the record of patches that heads have still to read is wrong as soon as the view moves
        camera.stale_in_heads.freeze_all()
        ring = RingGrid.at_rest(camera.grid, camera.ages.device)
        rotations = WorldRotations(self._runners.transformer, camera.transformer, ring)
        transformer = replace(camera.transformer, rotations=rotations.table)
        return MovingState(camera, transformer, ring, rotations, self._local.allocate(camera))

    def run(
        self, state: MovingState, image: torch.Tensor, tasks: tuple[str, ...],
        settings: SharingSettings, patches: torch.Tensor, refreshed: torch.Tensor | None = None,
        lap: Callable[[str], None] = lambda stage: None,
    ) -> FrameWork:
        """
        Compute sorted ``patches`` (n,) of the view from an image (1, 3, H, W) uint8.

        New patches must be among them. No gate drops new and ``refreshed`` (N,) bool patches, and
        no sub-task reuses updates of them. For the others settings decide: without ``temporal``
        every block computes or reuses them. Raw outputs are valid for the given patches alone. All
        patches in the result are those of the view.
        """
        _check_new(state.ring, patches)
        state.rotations.renew(state.ring)
        frame, seen = self._frame(state, tasks, settings, patches, refreshed)
        state.camera.frame += 1
        tokens = self._tokens(state, image, seen)
        lap('stem')
        shared = self._run_shared(frame, tokens, seen)
        self._leave_out(state, frame)
        encoders = run_encoders(frame, shared)
        lap('blocks')
        self._count_ages(frame)
        state.ring = state.ring.computed(patches)
        outputs = self._decode(state, tasks, patches)
        lap('heads')
        work = work_of(frame, shared, encoders, outputs)
        return work_of_view(state.ring, work, self._unlisted(state, patches))

    def _frame(
        self, state: MovingState, tasks: tuple[str, ...], settings: SharingSettings,
        patches: torch.Tensor, refreshed: torch.Tensor | None,
    ) -> tuple[Frame, torch.Tensor]:
        """Return a frame in rows of the caches, and its patches (n,) in the order of the rows."""
        ring = state.ring
        rows = ring.rows.index_select(0, patches).sort().values
        full = ring.new if refreshed is None else ring.new | refreshed
        due = full.index_select(0, ring.patches)
        plan = FramePlan(rows, rows, due=due)
        thresholds = self._sharing.thresholds_of(tasks, settings)
        frame = Frame(self._runners, state.turned, tasks, plan, thresholds, settings)
        return frame, ring.patches.index_select(0, rows)

    def _tokens(
        self, state: MovingState, image: torch.Tensor, patches: torch.Tensor
    ) -> torch.Tensor:
        """Return the stem's tokens (n, D) of patches; its features are those of the image."""
        stem, memory = self._runners.stem, state.camera.stem
        if memory.feeds_heads or patches.shape[0] == state.transformer.patch_count:
            return stem.dense(memory, image).index_select(0, patches)
        return stem.update(memory, image, patches, patches)

    def _run_shared(
        self, frame: Frame, tokens: torch.Tensor, patches: torch.Tensor
    ) -> StageRun:
        transformer, state = self._runners.transformer, frame.state.transformer
        listed = frame.plan.patches if patches.shape[0] else None
        rows = transformer.active_tokens(state, [listed], frame.entering)
        values = transformer.embed(state, tokens, patches)
        return transformer.run_shared(state, rows, values, frame.thresholds.shared)

    def _leave_out(self, state: MovingState, frame: Frame) -> None:
        """Reset encoders that this frame leaves out: their rows may get other patches."""
        stale, needed = frame.state.stale_in_encoders, frame.encoders()
        if any(map(stale.is_cold, needed)):  # it computes rows that are not listed
            state.projected = self._local.allocate(state.camera)
        for encoder in range(len(self._runners.transformer.encoders)):
            if encoder not in needed:
                stale.freeze(encoder)

    def _count_ages(self, frame: Frame) -> None:
        """Count ages; those of rows that no gate could drop begin anew."""
        ages, tasks = frame.state.ages, self._runners.tasks
        ages += 1
        for number in (0, *(1 + tasks.index(task) for task in frame.tasks)):
            ages[number].masked_fill_(frame.plan.due, 0)

    def _decode(
        self, state: MovingState, tasks: tuple[str, ...], patches: torch.Tensor
    ) -> dict[str, HeadUpdate]:
        """Compute the raw outputs of tasks, on ``patches`` (n,) at least."""
        camera, transformer, rows = state.camera, self._runners.transformer, state.ring.rows
        local = tuple(task for task in tasks if task in self._local_tasks)
        others = tuple(task for task in tasks if task not in self._local_tasks)
        return {**self._local.run(state.projected, camera, transformer, local, rows, patches),
                **self._others.run(camera, transformer, others, rows, patches)}

    def _unlisted(self, state: MovingState, patches: torch.Tensor) -> int:
        """Return the multiply-accumulates of the stem on patches that are not listed."""
        if not state.camera.stem.feeds_heads:
            return 0
        others = state.transformer.patch_count - patches.shape[0]
        return others * self._runners.stem.macs_per_patch


def _check_new(ring: RingGrid, patches: torch.Tensor) -> None:
    """Raise ValueError for new patches that are not listed: their rows hold nothing yet."""
    missing = ring.new.index_fill(0, patches, False)
    if missing.any():
        raise ValueError(f'patches {missing.nonzero()[:, 0].tolist()} entered the view and must '
                         'be computed before anything builds on them; list them among the patches')
