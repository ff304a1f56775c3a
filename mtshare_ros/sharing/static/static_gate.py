"""The gate of frames on lists of fixed lengths: it marks and counts patches; the host decides."""

from dataclasses import astuple, dataclass, field
from typing import Collection, Hashable, Iterable, Sequence

import torch

from mtshare_ros.sharing.change import ChangeDetector, ChangeState, NoiseState
from mtshare_ros.sharing.gates import CHANGE_THRESHOLD, raise_due, UrgentPatches
from mtshare_ros.sharing.head import HeadGeometry
from mtshare_ros.sharing.memory import tensor_bytes
from mtshare_ros.sharing.pixel_maps import ReceptiveField
from mtshare_ros.sharing.plan import HALO, last_age, make_schedule, PlanBounds, TurnSchedule
from mtshare_ros.sharing.sharing_settings import SharingSettings
from mtshare_ros.sharing.static.fixed_lists import (
    FrameLists,
    GateCounts,
    HeadLists,
    ListSizes,
    ListTable,
    MaskRow,
    sources_of_patches,
    sources_of_pixels,
    widened,
)
from mtshare_ros.sharing.static.operators import Operators, PLAIN
from mtshare_ros.sharing.static.plain_steps import any_of, marks_of

CONTROLS = 6
"""How many numbers are in ``Controls``."""

# up to this number float32, the dtype of the controls, holds all whole numbers
_NEVER = 1 << 24
"""Frames: an age that no patch reaches."""


@dataclass(frozen=True)
class Controls:
    """
    The numbers that the gate reads anew in every frame, in the order of its buffer.

    They are in a tensor because a CUDA graph freezes numbers of Python. A patch has changed where
    its score is above ``threshold``. Due for a refresh are patches whose turn is ``turn`` or whose
    age is at least ``due_age``. With a latency target at most ``budget`` patches enter, those of
    ``forced_age`` first. ``halo`` is 1 where the patches round a changed one are computed with it.
    """

    threshold: float
    turn: int
    due_age: int
    forced_age: int
    budget: int
    halo: int

    @classmethod
    def of(
        cls, settings: SharingSettings, bounds: PlanBounds, *, frame: int, factor: float
    ) -> 'Controls':
        """
        Return those of a frame; ``frame`` counts from the last reset.

        ``factor`` is as for a Planner.
        """
        refreshes = settings.policy != 'none'
        forced_age = _NEVER if bounds.budget is None else last_age(settings.max_age)
        return cls(
            threshold=CHANGE_THRESHOLD * factor,
            turn=frame % settings.refresh_period if refreshes else -1,
            due_age=last_age(settings.refresh_period) if refreshes else forced_age,
            forced_age=forced_age,
            budget=bounds.budget or 0,
            halo=settings.halo,
        )

    def write(self, buffer: torch.Tensor) -> None:
        """Write the numbers into a buffer (CONTROLS,) float32 on the host."""
        buffer.copy_(torch.tensor(astuple(self), dtype=torch.float32))


FIRED, DUE, ACTIVE, PATCHES = 'fired', 'due', 'active', 'patches'

Wanted = tuple[tuple[Hashable, int], ...]
"""The lists to make: the name of a mask, and the length of its list."""


@dataclass
class GateState:
    """
    What a gate remembers of one camera with a grid of N patches, and what it found in a frame.

    The host writes ``controls`` (CONTROLS,) float32 before every frame. ``due`` (N,) bool are the
    active patches whose refresh turn has come, ``forced`` (N,) bool those that the cut before the
    first block must keep. ``row`` names the masks that the ``running`` sum is of and that
    ``counts`` int32 count. ``ages`` (N,) int32 are the frames since a patch was last refreshed;
    ``oldest`` () int32 is the largest of them.

    Tables that depend on settings only, which ``tables`` names: ``turns`` (N,) int64, when patches
    are refreshed; ``around`` (N, k) int32, the patches whose change makes each patch enter.
    ``near`` is ``around`` without a halo, ``sources`` int32 the patches that decide about each
    pixel of the heads' masks, ``nothing`` an empty list.
    """

    grid: tuple[int, int]
    change: ChangeState
    row: MaskRow
    controls: torch.Tensor
    due: torch.Tensor
    forced: torch.Tensor
    running: torch.Tensor
    counts: torch.Tensor
    ages: torch.Tensor
    oldest: torch.Tensor
    turns: torch.Tensor
    near: torch.Tensor
    around: torch.Tensor
    sources: torch.Tensor
    nothing: torch.Tensor
    tables: tuple[str, int, int] | None = None
    lists: dict[Wanted, ListTable] = field(default_factory=dict)

    @property
    def nbytes(self) -> int:
        """Bytes of the buffers and of the tables."""
        tables = (tensor for table in self.lists.values() for tensor in table.tensors)
        return self.change.nbytes + tensor_bytes(
            self.controls, self.due, self.forced, self.running, self.counts, self.ages,
            self.oldest, self.turns, self.near, self.around, self.sources, self.row.numbers,
            *tables)


class StaticGate:
    """
    Decides what enters the network, as ChangeDetector and Planner do, without waiting for the GPU.

    ``receptive_field`` is that of the stem; ``geometries`` are those of the heads that are
    computed on lists. ``begin``, ``observe``, ``lists``, ``settle`` and ``rest`` can be captured
    as graphs, because they read what changes from frame to frame from ``GateState.controls``.
    """

    def __init__(
        self, detector: ChangeDetector, receptive_field: ReceptiveField,
        geometries: Iterable[HeadGeometry],
        operators: Operators = PLAIN,
    ) -> None:
        self._detector, self._operators = detector, operators
        self._receptive_field = receptive_field
        self._geometries = tuple(dict.fromkeys(geometries))

    def allocate(
        self, grid: tuple[int, int], buckets: Iterable[ListSizes] = (),
        noise: NoiseState | None = None,
    ) -> GateState:
        """
        Return the state for a (rows, columns) grid, with tables for lists of some lengths.

        Where ``noise`` is given, what is known of the camera's noise is kept.
        """
        count, change = grid[0] * grid[1], self._detector.allocate(grid, noise)
        device = change.current.device
        sources = self._pixel_sources(grid)
        # in the order of the rows of the marks, then that of ``sources``
        row = MaskRow({FIRED: count, DUE: count, ACTIVE: count, PATCHES: count,
                       **{border: table.shape[0] for border, table in sources.items()}}, device)
        mask = torch.zeros(count, dtype=torch.bool, device=device)
        ages = torch.zeros(count, dtype=torch.int32, device=device)
        # a copy: ``prepare`` overwrites it, and all cameras share the table in the cache
        around = self._around(grid, 1).to(device, copy=True)
        state = GateState(
            grid, change, row, change.current.new_zeros(CONTROLS), due=mask, forced=mask.clone(),
            running=row.allocate(), counts=ages.new_zeros(len(row.names)), ages=ages,
            oldest=ages.new_zeros(()), turns=torch.zeros_like(ages, dtype=torch.int64),
            near=sources_of_patches(grid, self._receptive_field).to(device), around=around,
            sources=_joined(sources.values()).to(device),
            nothing=torch.zeros(0, dtype=torch.int64, device=device))
        for sizes in buckets:
            self.prepare_lists(state, sizes)
        return state

    def prepare_lists(self, state: GateState, sizes: ListSizes) -> None:
        """Make the table for lists of further lengths; the host calls it, outside of graphs."""
        wanted = self._wanted(sizes)
        state.lists[wanted] = state.row.table(wanted)

    def prepare(self, state: GateState, settings: SharingSettings) -> None:
        """Update the tables to settings; the host calls it before a frame, outside of graphs."""
        wanted = settings.policy, settings.refresh_period, settings.halo
        if state.tables == wanted:
            return
        device = state.turns.device
        schedule = make_schedule(settings.policy, state.grid, settings.refresh_period, device)
        if isinstance(schedule, TurnSchedule):
            state.turns.copy_(schedule.turns)
        state.around.copy_(self._around(state.grid, settings.halo))
        state.tables = wanted

    def begin(self, state: GateState, image: torch.Tensor) -> None:
        """Read the first image (1, 3, H, W) uint8, with which nothing can be compared."""
        self._detector.begin(state.change, image)

    def observe(
        self, state: GateState, image: torch.Tensor, *, learn: bool, budgeted: bool = False
    ) -> None:
        """
        Read a further image; mark and count the patches that would enter.

        ``learn``: whether the noise is learnt from it, see ``change.learns``. ``budgeted``: no
        more patches enter than the controls' budget allows.
        """
        scores = self._detector.score(state.change, image, learn=learn)
        if budgeted:
            marks = _within(state, scores)
        else:
            marks = self._operators.mark(scores, state.turns, state.ages, state.controls,
                                         state.around, state.due, state.forced)
        state.row.count(self._operators.spread(marks, state.sources), state.running, state.counts)

    def read(self, state: GateState, numbers: Sequence[int]) -> GateCounts:
        """Return the counts by name; ``numbers`` are ``GateState.counts`` as the host has them."""
        found = dict(zip(state.row.names, numbers))
        pixels = {item: tuple(found[item.side, border] for border in item.borders)
                  for item in self._geometries}
        affected = {item: found[1, item.patch_border] for item in self._geometries}
        return GateCounts(
            found[FIRED], found[DUE], found[ACTIVE], found[PATCHES], pixels, affected)

    def lists(self, state: GateState, sizes: ListSizes) -> FrameLists:
        """
        Return the lists of the last frame, in which at least one patch must have been counted.

        ``prepare_lists`` must have been called for ``sizes``.
        """
        table = state.lists[self._wanted(sizes)]
        transmitted, patches, *others = state.row.lists(
            state.running, table, self._operators.entries)
        heads, remaining = {}, iter(others)
        for item in self._geometries:
            layers = tuple(next(remaining) for _ in item.borders)
            heads[item] = HeadLists(layers, next(remaining))
        return FrameLists(transmitted, patches, state.forced.index_select(0, patches), heads)

    def settle(self, state: GateState, lists: FrameLists | None) -> None:
        """Note that the listed patches of the last frame were computed; None for all patches."""
        if lists is None:
            self._detector.transmit_all(state.change)
            state.ages.zero_()
            state.oldest.zero_()
        else:
            self._end(state, lists.transmitted)

    def rest(self, state: GateState) -> None:
        """Note that nothing of the last frame was computed."""
        self._end(state, state.nothing)

    def _end(self, state: GateState, transmitted: torch.Tensor) -> None:
        change = state.change
        self._operators.settle(transmitted, change.current, change.reference, state.due,
                               state.ages, state.oldest)

    def _around(self, grid: tuple[int, int], halo: int) -> torch.Tensor:
        """Return (N, k) int32: the patches whose change makes each patch enter."""
        widest = sources_of_patches(grid, self._receptive_field.followed_by(HALO))
        if halo:
            return widest
        return widened(sources_of_patches(grid, self._receptive_field), widest.shape[1])

    def _pixel_sources(self, grid: tuple[int, int]) -> dict[Hashable, torch.Tensor]:
        """Return the patches that decide about each pixel, by pixels a patch and border."""
        borders = [(1, item.patch_border) for item in self._geometries]
        borders += [(item.side, border) for item in self._geometries for border in item.borders]
        return {border: sources_of_pixels(grid, *border) for border in borders}

    def _wanted(self, sizes: ListSizes) -> Wanted:
        wanted: list[tuple[Hashable, int]] = [(ACTIVE, sizes.patches), (PATCHES, sizes.patches)]
        for item in self._geometries:
            for border, size in zip(item.borders, sizes.pixels[item]):
                wanted.append(((item.side, border), size))
            wanted.append(((1, item.patch_border), sizes.affected[item]))
        return tuple(wanted)


def _within(state: GateState, scores: torch.Tensor) -> torch.Tensor:
    """Return the marks where a budget of patches enters, chosen as Planner chooses them."""
    threshold, turn, due_age, forced_age, budget, halo = state.controls.unbind()
    fired, forced = scores > threshold, state.ages >= forced_age
    due = (state.turns == turn) | (state.ages >= due_age)
    urgent = UrgentPatches(raise_due(scores, due, threshold), forced, state.ages, threshold)
    active, budget = urgent.within(budget), budget.long()
    # patches round active ones are computed too, so that fewer active ones fit the budget
    affected = (active | any_of(active & fired, state.near)).sum().clamp_(min=1)
    active = urgent.within(torch.minimum(budget, (budget * budget).floor_divide_(affected)))
    due = torch.logical_and(due, active, out=state.due)
    return marks_of(fired, due, active, active & fired, halo, state.around, state.forced)


def _joined(tables: Collection[torch.Tensor]) -> torch.Tensor:
    """Join tables (n, k) int32 of different k."""
    width = max((table.shape[1] for table in tables), default=1)
    # without heads on lists there are no tables, and cat takes no empty list
    nothing = torch.zeros(0, width, dtype=torch.int32)
    return torch.cat([nothing, *(widened(table, width) for table in tables)])
