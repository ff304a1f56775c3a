"""
A transformer block as the sharing engine runs it, on whole images and with gradients.

The values equal the engine's, because both apply ``sharing.rules``: a token that a gate drops
keeps its last values, a reused token gets the base task's update plus the kept difference. The
gradient ignores the gates, as if every token had been computed, because a gate has no gradient.
``test_gated_training.py`` compares the values with the engine's.
"""

from dataclasses import dataclass

import torch

from mtshare_ros.model.backbone import Block, RotaryTable
from mtshare_ros.sharing.gates import (
    distance,
    effective,
    passes,
    reuse_distance,
    spread_of,
)


@dataclass(frozen=True)
class Memory:
    """
    What a block keeps of the frame before: B images of T tokens, the prefix tokens last.

    ``input`` and ``update`` (B, T, D): each token's input and residual update when it was last
    computed; ``key`` and ``value`` (B, heads, T, head_dim); ``spread`` (B, 1): the spread of the
    input, prefix tokens left out.
    """

    input: torch.Tensor
    update: torch.Tensor
    key: torch.Tensor
    value: torch.Tensor
    spread: torch.Tensor

    @property
    def output(self) -> torch.Tensor:
        """The block's output (B, T, D)."""
        return self.input + self.update


@dataclass(frozen=True)
class TokenMasks:
    """
    Which tokens (B, T) bool of a frame are active, and which of them no gate may drop.

    From block to block, active tokens can only become fewer.
    """

    active: torch.Tensor
    forced: torch.Tensor

    def with_prefix(self, count: int) -> 'TokenMasks':
        """Return the masks with ``count`` prefix tokens, active if any patch of the image is."""
        everywhere = self.active.any(dim=1, keepdim=True).expand(-1, count)
        return TokenMasks(torch.cat((self.active, everywhere), dim=1),
                          torch.cat((self.forced, everywhere), dim=1))


@dataclass(frozen=True)
class TaskReference:
    """
    The base task's block that a sub-task's block may reuse.

    ``before`` and ``now`` are its memories of the frame before and of this one, ``share`` is the
    size of the delta weights relative to the base weights.
    """

    before: Memory
    now: Memory
    share: torch.Tensor


@dataclass(frozen=True)
class GatedStep:
    """
    The result of one block for one frame.

    ``memory`` is the block's state after the frame. ``entered`` are the tokens that came in,
    ``tokens`` those of them that its gate let pass. ``moved`` (B, T) is each token's distance for
    the temporal gate and ``test`` (B, T) its distance for reuse, both relative to the spread;
    ``reused`` (B, T) bool are the tokens that were reused.
    """

    memory: Memory
    entered: TokenMasks
    tokens: TokenMasks
    moved: torch.Tensor
    test: torch.Tensor | None = None
    reused: torch.Tensor | None = None

    @property
    def output(self) -> torch.Tensor:
        """The block's output (B, T, D)."""
        return self.memory.output


def compute_all(
    block: Block, values: torch.Tensor, rotary: RotaryTable | None, patches: int
) -> Memory:
    """Run a block on every token of (B, T, D) and keep what the next frame needs."""
    query, key, value = block.attn.project(block.norm1(values), rotary)
    update = _finish(block, values, block.attn.attend(query, key, value))
    return Memory(values, update, key, value, spread_of(values[:, :patches])[:, None])


def compute_some(
    block: Block, values: torch.Tensor, rotary: RotaryTable | None, memory: Memory,
    tokens: TokenMasks, threshold: float, *, reference: TaskReference | None = None,
    task_threshold: float = 0.0,
) -> GatedStep:
    """
    Run a block on (B, T, D) as the engine would, with a temporal threshold and one for reuse.

    With a temporal threshold of 0 every token passes; without a ``reference`` none is reused.
    """
    moved = distance(values, memory.input)
    bound = effective(threshold) * memory.spread
    passing = tokens.active & passes(moved, bound, tokens.forced)
    values = _choose(passing, values, memory.input)
    query, key, value = block.attn.project(block.norm1(values), rotary)
    test = reused = None
    if reference is not None:
        test = reuse_distance(
            values - reference.now.input, memory.input - reference.before.input,
            values, memory.input, reference.share)
        bound = effective(task_threshold) * memory.spread
        reused = passing & ~passes(test, bound, tokens.forced)
        key = _choose_heads(reused, _carried(reference, memory, 'key'), key)
        value = _choose_heads(reused, _carried(reference, memory, 'value'), value)
    update = _finish(block, values, block.attn.attend(query, key, value))
    if reference is not None and reused is not None:
        update = _choose(~reused, update, _carried(reference, memory, 'update'))
    kept = Memory(values, _choose(passing, update, memory.update), key, value, memory.spread)
    return GatedStep(
        kept, tokens, TokenMasks(passing, tokens.forced & passing), moved / memory.spread,
        None if test is None else test / memory.spread, reused)


def _carried(base: TaskReference, own: Memory, name: str) -> torch.Tensor:
    """Return the base task's value of this frame plus the kept difference of the sub-task's."""
    return getattr(base.now, name) + (getattr(own, name) - getattr(base.before, name))


def _finish(block: Block, values: torch.Tensor, attended: torch.Tensor) -> torch.Tensor:
    """Return the residual update for the output of the attention."""
    return attended + block.mlp(block.norm2(values + attended))


def _choose(tokens: torch.Tensor, own: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Return ``own`` (B, T, D) at tokens (B, T) and ``other`` elsewhere; the gradient is own's."""
    return own + (torch.where(tokens[..., None], own, other) - own).detach()


def _choose_heads(tokens: torch.Tensor, own: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """As ``_choose`` for (B, heads, T, d), but the gradient is that of ``other``."""
    return other + (torch.where(tokens[:, None, :, None], own, other) - other).detach()
