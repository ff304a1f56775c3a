"""The local decode heads of a network on lists of fixed lengths."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Hashable, Mapping, Sequence

import torch

from mtshare_ros.model.heads import DecodeHead
from mtshare_ros.model.network import MultiTaskNetwork
from mtshare_ros.sharing.local_runner import MergeWeights, Projection
from mtshare_ros.sharing.pixel_maps import Level
from mtshare_ros.sharing.static.fixed_lists import FrameLists
from mtshare_ros.sharing.static.operators import Operators
from mtshare_ros.sharing.static.static_block import Taps
from mtshare_ros.sharing.static.static_local_group import (
    LocalGroup,
    LocalGroupState,
    LocalPlan,
    LocalTables,
    StackedLinear,
)
from mtshare_ros.sharing.stem import StemState
from mtshare_ros.sharing.taps import taps_of


class JointMixing:
    """The hidden layers of several groups of heads that read the same tokens, as one product."""

    def __init__(
        self, groups: Mapping[int, Sequence[Projection]], dtype: torch.dtype, operators: Operators
    ) -> None:
        self._operators = operators
        layers = [layer for group in groups.values() for layer in group]
        self._sizes = {number: (len(group), group[0].weight.shape[0])
                       for number, group in groups.items()}
        self._layer = StackedLinear(
            [torch.cat([layer.weight for layer in layers])],
            [torch.cat([layer.bias for layer in layers if layer.bias is not None])], dtype)

    def __call__(self, rows: torch.Tensor) -> dict[int, torch.Tensor]:
        """Return (H, n, hidden) by number of the group, for tokens (1, n, D)."""
        mixed = self._operators.bias_gelu(self._layer(rows), self._layer.bias)[0]
        pieces = mixed.split([heads * width for heads, width in self._sizes.values()], dim=1)
        return {number: piece.unflatten(1, size).transpose(0, 1)
                for (number, size), piece in zip(self._sizes.items(), pieces)}


class GroupMixing:
    """The hidden layers of a group's heads, which may read different tokens, as one product."""

    def __init__(
        self, group: Sequence[Projection], dtype: torch.dtype, operators: Operators
    ) -> None:
        self._operators = operators
        self._layer = StackedLinear.of(group, dtype)

    def __call__(self, rows: torch.Tensor) -> torch.Tensor:
        """Return (H, n, hidden) for tokens (H or 1, n, D)."""
        return self._operators.bias_gelu(self._layer(rows), self._layer.bias)


class LocalSource:
    """
    The local heads of some tasks that read the same taps, in ``groups`` of equal shape.

    ``encoders`` are those whose tokens they are given.
    """

    def __init__(
        self, network: MultiTaskNetwork, tasks: Sequence[str], encoders: Sequence[str],
        dtype: torch.dtype, operators: Operators,
    ) -> None:
        alike = defaultdict(list)
        for task in tasks:
            alike[_shape_of(network.heads[task])].append(task)
        named = list(alike.values())
        weights = [[MergeWeights.of(network.heads[task]) for task in group] for group in named]
        self._dtype = dtype
        self.groups = [
            LocalGroup(group, [network.heads[task] for task in group], network.config.patch_size,
                       dtype, operators) for group in named]
        self._read = [[encoders.index(network.encoder_of(task)) for task in group]
                      for group in named]
        mixed = {number: [item.mix for item in group if item.mix is not None]
                 for number, group in enumerate(weights) if group[0].mix is not None}
        joint = len(encoders) == 1 and bool(mixed)
        self._joint = JointMixing(mixed, dtype, operators) if joint else None
        self._own = {} if joint else {
            number: GroupMixing(group, dtype, operators) for number, group in mixed.items()}

    def tokens(self, rows: torch.Tensor) -> list[torch.Tensor]:
        """Return by group tokens (H or 1, n, D) of the encoders' (M or 1, n, taps x D)."""
        rows = rows.to(self._dtype)
        if self._joint is not None:
            mixed = self._joint(rows)
            return [mixed.get(number, rows) for number in range(len(self.groups))]
        picked = [_picked(rows, encoders) for encoders in self._read]
        return [self._own[number](some) if number in self._own else some
                for number, some in enumerate(picked)]


def _shape_of(head: DecodeHead) -> Hashable:
    """Return what must be equal for heads that are computed as one product a layer."""
    hidden = head.mix.out_channels if hasattr(head, 'mix') else 0
    return hidden, head.predict.in_channels, len(head.refine)


def _picked(rows: torch.Tensor, encoders: Sequence[int]) -> torch.Tensor:
    """Return the tokens (H or 1, n, D) of some encoders, out of those (M or 1, n, D) of all."""
    first, count = encoders[0], len(encoders)
    # views where possible: to stack tokens copies them
    if rows.shape[0] == 1:
        return rows
    if set(encoders) == {first}:
        return rows[first:first + 1]
    if list(encoders) == list(range(first, first + count)):
        return rows[first:first + count]
    return torch.stack([rows[encoder] for encoder in encoders])


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
        self, network: MultiTaskNetwork, tasks: Sequence[str], encoders: Sequence[str],
        dtype: torch.dtype, operators: Operators,
    ) -> None:
        self._operators = operators
        read = defaultdict(list)
        for task in tasks:
            read[taps_of(network.config, task)].append(task)
        self._sources = {taps: LocalSource(network, some, encoders, dtype, operators)
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
            read: taps[read].index_select(1, lists.patches) for read in self._sources})
        for group, own, some in zip(self._groups, state.groups, tokens):
            group.update(own, some, plan)

    def raw(self, state: LocalHeadsState, task: str) -> torch.Tensor:
        """See StaticHead."""
        number = self._place[task]
        return self._groups[number].raw(state.groups[number], task)

    def outputs(self, state: LocalHeadsState) -> Mapping[tuple[str, ...], torch.Tensor]:
        """See StaticHead."""
        return {group.tasks: own.output for group, own in zip(self._groups, state.groups)}

    def macs(self, state: LocalHeadsState, patches: int) -> int:
        """See StaticHead."""
        return patches * sum(group.macs_per_patch for group in self._groups)

    def _tokens(self, rows: Mapping[Taps, torch.Tensor]) -> list[torch.Tensor]:
        """Return what each group reads of tokens (M or 1, n, taps x D) by taps."""
        return [tokens for read, source in self._sources.items()
                for tokens in source.tokens(rows[read])]
