"""The kinds of incremental blocks."""

from mtshare_ros.sharing.accurate import AccurateBlock
from mtshare_ros.sharing.block import BlockWeights, IncrementalBlock
from mtshare_ros.sharing.fast import FastBlock
from mtshare_ros.sharing.fast_members import FastMemberBlock


def make_block(kind: str, weights: BlockWeights) -> IncrementalBlock:
    """Return a ``fast`` or an ``accurate`` block around the weights."""
    if kind == 'accurate':
        return AccurateBlock(weights)
    return FastBlock(weights) if weights.members == 1 else FastMemberBlock(weights)
