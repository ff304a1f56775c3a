"""
A transformer block as the sharing engine runs it, on whole images and with gradients.

The values are the engine's, whose ``sharing.rules`` decide: a row that a gate drops keeps what it
was, a row that is reused gets the base task's update and the kept difference. The gradient
goes straight through, as if every row had been computed. ``test_gated_training.py`` holds them to
the engine.
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
    What a block keeps of the frame before, of B images with T rows, the cells' before others.

    ``input`` and ``update`` (B, T, D): each row's input and residual update when it was last
    computed; ``key`` and ``value`` (B, heads, T, head_dim); ``spread`` (B, 1) is that of
    the cells' input.
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
class Rows:
    """
    Which rows (B, T) bool of a frame are still at work, and which of them no gate may drop.

    The active ones only become fewer from block to block.
    """

    active: torch.Tensor
    forced: torch.Tensor

    def with_prefix(self, count: int) -> 'Rows':
        """Return the rows of cells and of ``count`` others, at work wherever any cell is."""
        everywhere = self.active.any(dim=1, keepdim=True).expand(-1, count)
        return Rows(torch.cat((self.active, everywhere), dim=1),
                    torch.cat((self.forced, everywhere), dim=1))


@dataclass(frozen=True)
class TaskReference:
    """
    What a sub-task's block may take over from.

    ``before`` and ``now`` are the base task's memories of the frame before and of this one,
    ``share`` is the size of the delta weights relative to the base weights.
    """

    before: Memory
    now: Memory
    share: torch.Tensor


@dataclass(frozen=True)
class GatedStep:
    """
    What a block did with a frame.

    ``memory`` is its state after it; of the rows that ``entered``, ``rows`` go on. ``moved``
    (B, T) is each row's temporal test and ``test`` (B, T) its test for reuse, relative to
    the spread; ``reused`` (B, T) bool.
    """

    memory: Memory
    entered: Rows
    rows: Rows
    moved: torch.Tensor
    test: torch.Tensor | None = None
    reused: torch.Tensor | None = None

    @property
    def output(self) -> torch.Tensor:
        """The block's output (B, T, D)."""
        return self.memory.output


def compute_all(
    block: Block, values: torch.Tensor, rotary: RotaryTable | None, cells: int
) -> Memory:
    """Run a block on every row of (B, T, D) and keep what the next frame needs."""
    query, key, value = block.attn.project(block.norm1(values), rotary)
    update = _finish(block, values, block.attn.attend(query, key, value))
    return Memory(values, update, key, value, spread_of(values[:, :cells])[:, None])


def compute_some(
    block: Block, values: torch.Tensor, rotary: RotaryTable | None, memory: Memory, rows: Rows,
    limit: float, *, reference: TaskReference | None = None, task_limit: float = 0.0,
) -> GatedStep:
    """
    Run a block on (B, T, D) as the engine would, with a temporal limit and one for reuse.

    A temporal limit of 0 gates nothing; without a ``reference`` no row is reused.
    """
    moved = distance(values, memory.input)
    bound = effective(limit) * memory.spread
    passing = rows.active & passes(moved, bound, rows.forced)
    values = _choose(passing, values, memory.input)
    query, key, value = block.attn.project(block.norm1(values), rotary)
    test = reused = None
    if reference is not None:
        test = reuse_distance(
            values - reference.now.input, memory.input - reference.before.input,
            values, memory.input, reference.share)
        bound = effective(task_limit) * memory.spread
        reused = passing & ~passes(test, bound, rows.forced)
        key = _choose_heads(reused, _carried(reference, memory, 'key'), key)
        value = _choose_heads(reused, _carried(reference, memory, 'value'), value)
    update = _finish(block, values, block.attn.attend(query, key, value))
    if reference is not None and reused is not None:
        update = _choose(~reused, update, _carried(reference, memory, 'update'))
    kept = Memory(values, _choose(passing, update, memory.update), key, value, memory.spread)
    return GatedStep(kept, rows, Rows(passing, rows.forced & passing), moved / memory.spread,
                     None if test is None else test / memory.spread, reused)


def _carried(base: TaskReference, own: Memory, name: str) -> torch.Tensor:
    """Return what the base task has now and the difference that was kept."""
    return getattr(base.now, name) + (getattr(own, name) - getattr(base.before, name))


def _finish(block: Block, values: torch.Tensor, attended: torch.Tensor) -> torch.Tensor:
    """Return the residual update for what the attention gave."""
    return attended + block.mlp(block.norm2(values + attended))


def _choose(rows: torch.Tensor, own: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Return ``own`` (B, T, D) at rows (B, T) and ``other`` elsewhere; the gradient is own's."""
    return own + (torch.where(rows[..., None], own, other) - own).detach()


def _choose_heads(rows: torch.Tensor, own: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Return ``own`` (B, heads, T, d) at rows (B, T), else ``other``; the gradient is other's."""
    return other + (torch.where(rows[:, None, :, None], own, other) - other).detach()
