"""The decode heads of several tasks on lists of fixed lengths."""

from dataclasses import dataclass
from typing import Any, Mapping, Protocol, Sequence

import torch

from mtshare_ros.model.architecture import DPT, LINEAR, LOCAL
from mtshare_ros.model.network import MultiTaskNetwork
from mtshare_ros.sharing.head import HeadGeometry
from mtshare_ros.sharing.static.fixed_lists import FrameLists
from mtshare_ros.sharing.static.operators import Operators, PLAIN
from mtshare_ros.sharing.static.static_block import Taps
from mtshare_ros.sharing.static.static_encoder import encoders_of
from mtshare_ros.sharing.static.static_local_heads import LocalHeads
from mtshare_ros.sharing.static.static_single_heads import StaticDptHead, StaticLinearHead
from mtshare_ros.sharing.stem import StemState
from mtshare_ros.tasks import ordered


class StaticHead(Protocol):
    """
    The heads of some tasks on lists of fixed lengths; holds weights only.

    ``taps`` is what heads read of the transformer, by where they read it: (M or 1, T, taps x D).
    """

    @property
    def geometries(self) -> Mapping[str, HeadGeometry | None]:
        """By task which pixels of its output a patch affects, None where it is all."""

    def allocate(self, grid: tuple[int, int], device: torch.device) -> Any:
        """Return empty buffers for a (rows, columns) grid."""

    def dense(self, state: Any, taps: Mapping[Taps, torch.Tensor], stem: StemState) -> None:
        """Compute all patches."""

    def update(
        self, state: Any, taps: Mapping[Taps, torch.Tensor], stem: StemState, lists: FrameLists
    ) -> None:
        """Compute what the patches of ``lists`` affect."""

    def raw(self, state: Any, task: str) -> torch.Tensor:
        """Return a task's raw output as a view (1, C, h, w) float32."""

    def outputs(self, state: Any) -> Mapping[tuple[str, ...], torch.Tensor]:
        """Return the raw outputs (H, count + 1, C) of H tasks each; rows are as in ``Level``."""

    def macs(self, state: Any, patches: int) -> int:
        """Return the multiply-accumulates of an update of some patches, or of all of them."""


@dataclass(frozen=True)
class StaticHeadsState:
    """What the heads remember of one camera."""

    parts: tuple[Any, ...]

    @property
    def nbytes(self) -> int:
        """Bytes of the buffers."""
        return sum(state.nbytes for state in self.parts)


class StaticHeads:
    """
    The decode heads of some tasks; products are in ``dtype``, the last layer is in float32.

    The transformer must be one of the same tasks. ``geometries`` says by task which pixels of its
    output a patch affects, None where it affects all of them. The buffers of a state stay at their
    addresses, and no shape depends on data.
    """

    def __init__(
        self, network: MultiTaskNetwork, tasks: Sequence[str], dtype: torch.dtype,
        operators: Operators = PLAIN,
    ) -> None:
        self.tasks = ordered(tasks)
        self._device = next(network.parameters()).device
        self._heads = _heads_of(network, self.tasks, dtype, operators)
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
        """Compute all patches from what the transformer stores by ``taps``, and from the stem."""
        for heads, own in zip(self._heads, state.parts):
            heads.dense(own, taps, stem)

    def update(
        self, state: StaticHeadsState, taps: Mapping[Taps, torch.Tensor], stem: StemState,
        lists: FrameLists,
    ) -> None:
        """Compute what differs after the patches of ``lists`` changed in transformer or stem."""
        for heads, own in zip(self._heads, state.parts):
            heads.update(own, taps, stem, lists)

    def raw(self, state: StaticHeadsState, task: str) -> torch.Tensor:
        """Return a task's raw output as a view (1, C, h, w) float32."""
        number = self._place[task]
        return self._heads[number].raw(state.parts[number], task)

    def sums(self, state: StaticHeadsState, out: torch.Tensor) -> None:
        """Write the sum of each raw output (tasks,), which is not finite if a number is not."""
        for heads, own in zip(self._heads, state.parts):
            for tasks, output in heads.outputs(own).items():
                # one launch for all tasks that are side by side both here and there
                for first, place, count in self._runs(tasks):
                    torch.sum(output[first:first + count], dim=(1, 2),
                              out=out[place:place + count])

    def macs(self, state: StaticHeadsState, patches: int) -> int:
        """Return the multiply-accumulates of an update of some patches, or of all of them."""
        return sum(heads.macs(own, patches) for heads, own in zip(self._heads, state.parts))

    def _runs(self, tasks: Sequence[str]) -> list[tuple[int, int, int]]:
        """Return runs of neighbours: where they begin here and in ``tasks``, and their number."""
        runs: list[tuple[int, int, int]] = []
        for number, task in enumerate(tasks):
            place = self.tasks.index(task)
            if runs and runs[-1][1] + runs[-1][2] == place:
                first, start, count = runs.pop()
                runs.append((first, start, count + 1))
            else:
                runs.append((number, place, 1))
        return runs


def _heads_of(
    network: MultiTaskNetwork, tasks: Sequence[str], dtype: torch.dtype, operators: Operators
) -> list[StaticHead]:
    """Return the local heads as one StaticHead, the others one by one."""
    encoders = encoders_of(network, tasks)
    kinds = {task: network.config.head_of(task).kind for task in tasks}
    local = [task for task in tasks if kinds[task] == LOCAL]
    heads: list[StaticHead] = []
    if local:
        heads.append(LocalHeads(network, local, encoders, dtype, operators))
    heads += [StaticLinearHead(network, task, encoders) for task in tasks if kinds[task] == LINEAR]
    heads += [StaticDptHead(network, task, encoders, dtype)
              for task in tasks if kinds[task] == DPT]
    return heads
