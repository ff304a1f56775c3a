"""The local decode heads of a network on lists of fixed lengths."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Mapping, Sequence

import torch

from mtshare_ros.model.network import MultiTaskNetwork
from mtshare_ros.sharing.level import Level
from mtshare_ros.sharing.static.lists import FrameLists
from mtshare_ros.sharing.static.local_group import LocalGroupState
from mtshare_ros.sharing.static.local_plan import LocalPlan, LocalTables
from mtshare_ros.sharing.static.local_source import LocalSource
from mtshare_ros.sharing.static.operators import Operators
from mtshare_ros.sharing.static.taps import Taps
from mtshare_ros.sharing.stem import StemState
from mtshare_ros.sharing.taps import taps_of


@dataclass(frozen=True)
class LocalHeadsState:
    """What the local heads remember of one camera, by group, and the tables of its grid."""

    tables: LocalTables
    groups: tuple[LocalGroupState, ...]

    @property
    def nbytes(self) -> int:
        """Bytes of the buffers."""
        return self.tables.nbytes + sum(group.nbytes for group in self.groups)


class LocalHeads:
    """The local heads of some tasks; their weights are in ``dtype``, see ``LocalGroup``."""

    def __init__(
        self, network: MultiTaskNetwork, tasks: Sequence[str], members: Sequence[str],
        dtype: torch.dtype, operators: Operators,
    ) -> None:
        self._operators = operators
        read = defaultdict(list)
        for task in tasks:
            read[taps_of(network.config, task)].append(task)
        self._sources = {taps: LocalSource(network, some, members, dtype, operators)
                         for taps, some in read.items()}
        self._groups = [group for source in self._sources.values() for group in source.groups]
        self._place = {task: number for number, group in enumerate(self._groups)
                       for task in group.tasks}
        self.geometries = {task: self._groups[number].geometry
                           for task, number in self._place.items()}

    def allocate(self, grid: tuple[int, int], device: torch.device) -> LocalHeadsState:
        """See StaticHead."""
        level = Level(grid, self._groups[0].side)
        return LocalHeadsState(
            LocalTables.of(level, self.geometries.values(), device),
            tuple(group.allocate(level, device) for group in self._groups))

    def dense(
        self, state: LocalHeadsState, taps: Mapping[Taps, torch.Tensor], stem: StemState
    ) -> None:
        """See StaticHead."""
        plan, count = LocalPlan(state.tables, stem, self._operators), len(state.tables.merging)
        tokens = self._tokens({read: taps[read][:, :count] for read in self._sources})
        for group, own, some in zip(self._groups, state.groups, tokens):
            group.dense(own, some, plan)

    def update(
        self, state: LocalHeadsState, taps: Mapping[Taps, torch.Tensor], stem: StemState,
        lists: FrameLists,
    ) -> None:
        """See StaticHead."""
        plan = LocalPlan(state.tables, stem, self._operators, lists)
        tokens = self._tokens({
            read: taps[read].index_select(1, lists.cells) for read in self._sources})
        for group, own, some in zip(self._groups, state.groups, tokens):
            group.update(own, some, plan)

    def raw(self, state: LocalHeadsState, task: str) -> torch.Tensor:
        """See StaticHead."""
        number = self._place[task]
        return self._groups[number].raw(state.groups[number], task)

    def outputs(self, state: LocalHeadsState) -> Mapping[tuple[str, ...], torch.Tensor]:
        """See StaticHead."""
        return {group.tasks: own.output for group, own in zip(self._groups, state.groups)}

    def macs(self, state: LocalHeadsState, cells: int) -> int:
        """See StaticHead."""
        return cells * sum(group.macs_per_cell for group in self._groups)

    def _tokens(self, rows: Mapping[Taps, torch.Tensor]) -> list[torch.Tensor]:
        """Return what each group reads of rows (M or 1, n, taps x D) by taps."""
        return [tokens for read, source in self._sources.items()
                for tokens in source.tokens(rows[read])]
