"""The decode heads of several tasks on lists of fixed lengths."""

from dataclasses import dataclass
from typing import Any, Mapping, Protocol, Sequence

import torch

from mtshare_ros.model.head_config import LOCAL
from mtshare_ros.model.network import MultiTaskNetwork
from mtshare_ros.sharing.head_plan import HeadGeometry
from mtshare_ros.sharing.static.encoder import members_of
from mtshare_ros.sharing.static.lists import FrameLists
from mtshare_ros.sharing.static.local_heads import LocalHeads
from mtshare_ros.sharing.static.operators import Operators, PLAIN
from mtshare_ros.sharing.static.taps import Taps
from mtshare_ros.sharing.stem import StemState
from mtshare_ros.tasks import ordered


class StaticHead(Protocol):
    """
    The heads of some tasks of one kind, prepared once; weights only.

    ``taps`` are those of the encoder, by the taps that a head reads (M or 1, T, taps x D).
    """

    @property
    def geometries(self) -> Mapping[str, HeadGeometry | None]:
        """By task how far a cell reaches in its output, None where it does everywhere."""

    def allocate(self, grid: tuple[int, int], device: torch.device) -> Any:
        """Return empty buffers for a (rows, columns) grid."""

    def dense(self, state: Any, taps: Mapping[Taps, torch.Tensor], stem: StemState) -> None:
        """Compute all cells."""

    def update(
        self, state: Any, taps: Mapping[Taps, torch.Tensor], stem: StemState, lists: FrameLists
    ) -> None:
        """Compute what the cells of a frame reach."""

    def raw(self, state: Any, task: str) -> torch.Tensor:
        """Return a task's raw output as a view (1, C, h, w) float32."""


@dataclass(frozen=True)
class StaticHeadsState:
    """What the heads remember of one camera, by kind."""

    kinds: tuple[Any, ...]

    @property
    def nbytes(self) -> int:
        """Bytes of the buffers."""
        return sum(state.nbytes for state in self.kinds)


class StaticHeads:
    """
    The decode heads of some tasks; products are in ``dtype``, the last layer is in float32.

    Their encoder is one of the same tasks. ``geometries`` says by task how far a cell reaches in
    its output, None where it does everywhere. A state's buffers stay where they are, and no shape
    depends on data.
    """

    def __init__(
        self, network: MultiTaskNetwork, tasks: Sequence[str], dtype: torch.dtype,
        operators: Operators = PLAIN,
    ) -> None:
        self.tasks = ordered(tasks)
        self._device = next(network.parameters()).device
        members = members_of(network, self.tasks)
        of_kind = {kind: [task for task in self.tasks if network.config.head_of(task).kind == kind]
                   for kind in _KINDS}
        self._heads: list[StaticHead] = [
            _KINDS[kind](network, some, members, dtype, operators)
            for kind, some in of_kind.items() if some]
        self.geometries = {
            task: geometry for heads in self._heads for task, geometry in heads.geometries.items()}
        self._place = {task: number for number, heads in enumerate(self._heads)
                       for task in heads.geometries}

    def allocate(self, grid: tuple[int, int]) -> StaticHeadsState:
        """Return empty buffers for a (rows, columns) grid; ``dense`` must run first."""
        return StaticHeadsState(tuple(
            heads.allocate(grid, self._device) for heads in self._heads))

    def dense(
        self, state: StaticHeadsState, taps: Mapping[Taps, torch.Tensor], stem: StemState
    ) -> None:
        """Compute all cells from what the encoder keeps by ``taps``, and the stem."""
        for heads, own in zip(self._heads, state.kinds):
            heads.dense(own, taps, stem)

    def update(
        self, state: StaticHeadsState, taps: Mapping[Taps, torch.Tensor], stem: StemState,
        lists: FrameLists,
    ) -> None:
        """Compute what differs once the cells of ``lists`` do, in encoder or stem."""
        for heads, own in zip(self._heads, state.kinds):
            heads.update(own, taps, stem, lists)

    def raw(self, state: StaticHeadsState, task: str) -> torch.Tensor:
        """Return a task's raw output as a view (1, C, h, w) float32."""
        number = self._place[task]
        return self._heads[number].raw(state.kinds[number], task)


_KINDS = {LOCAL: LocalHeads}
