"""Local decode heads that read the same taps."""

from collections import defaultdict
from typing import Hashable, Sequence

import torch

from mtshare_ros.model.head import DecodeHead
from mtshare_ros.model.network import MultiTaskNetwork
from mtshare_ros.sharing.local_weights import MergeWeights
from mtshare_ros.sharing.static.local_group import LocalGroup
from mtshare_ros.sharing.static.mixing import GroupMixing, JointMixing
from mtshare_ros.sharing.static.operators import Operators


class LocalSource:
    """
    The local heads of some tasks that read the same taps, in ``groups`` of equal shape.

    ``members`` are the encoders whose rows they are given.
    """

    def __init__(
        self, network: MultiTaskNetwork, tasks: Sequence[str], members: Sequence[str],
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
        self._read = [[members.index(network.encoder_of(task)) for task in group]
                      for group in named]
        mixed = {number: [item.mix for item in group if item.mix is not None]
                 for number, group in enumerate(weights) if group[0].mix is not None}
        joint = len(members) == 1 and bool(mixed)
        self._joint = JointMixing(mixed, dtype, operators) if joint else None
        self._own = {} if joint else {
            number: GroupMixing(group, dtype, operators) for number, group in mixed.items()}

    def tokens(self, rows: torch.Tensor) -> list[torch.Tensor]:
        """Return by group tokens (H or 1, n, D) for the members' rows (M or 1, n, taps x D)."""
        rows = rows.to(self._dtype)
        if self._joint is not None:
            mixed = self._joint(rows)
            return [mixed.get(number, rows) for number in range(len(self.groups))]
        picked = [_picked(rows, members) for members in self._read]
        return [self._own[number](some) if number in self._own else some
                for number, some in enumerate(picked)]


def _shape_of(head: DecodeHead) -> Hashable:
    """Return what is equal for heads that are computed in one product a layer."""
    hidden = head.mix.out_channels if hasattr(head, 'mix') else 0
    return hidden, head.predict.in_channels, len(head.refine)


def _picked(rows: torch.Tensor, members: Sequence[int]) -> torch.Tensor:
    """Return the rows (H or 1, n, D) of some members, of rows (M or 1, n, D) of all."""
    first, count = members[0], len(members)
    if rows.shape[0] == 1:
        return rows
    if set(members) == {first}:
        return rows[first:first + 1]
    if list(members) == list(range(first, first + count)):
        return rows[first:first + count]
    return torch.stack([rows[member] for member in members])
