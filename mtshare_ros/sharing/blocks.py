"""The kinds of incremental blocks."""

from mtshare_ros.sharing.accurate import AccurateBlock
from mtshare_ros.sharing.alone import AloneBlock
from mtshare_ros.sharing.block import BlockWeights, IncrementalBlock
from mtshare_ros.sharing.fast import FastBlock
from mtshare_ros.sharing.fast_members import FastReuseBlock

ALONE = 'alone'
"""The kind of block of frames that stand for themselves; the other kinds are the user's choice."""


def make_block(kind: str, weights: BlockWeights) -> IncrementalBlock:
    """Return a ``fast``, an ``accurate`` or an ``alone`` block around the weights."""
    if kind == ALONE:
        return AloneBlock(weights)
    if kind == 'accurate':
        return AccurateBlock(weights)
    return FastBlock(weights) if weights.encoders == 1 else FastReuseBlock(weights)
