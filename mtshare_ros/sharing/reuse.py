"""
Reuse above the shared blocks: sub-tasks' tokens take the updates of the base task.

When a token of a sub-task s is computed, the difference d = u_s - u_b of the two tasks' residual
updates is kept, and likewise that of keys and values. Later the token may reuse u_b + d. To
first order d changes by J_b d(x_s - x_b) + (J_s - J_b) dx_s: the first term grows as the two
inputs drift apart, the second as the sub-task's own weights get a different input. A test of the
first term alone would never use the delta weights right after the shared blocks, where
x_s = x_b. So the base task's update is reused while

    |(x_s - x_b) - (x_s - x_b)_kept| + r |x_s - x_s,kept| <= threshold,

where r is the size of the delta weights relative to the base weights in this block. The error
goes to 0 with the threshold. The formula is ``gates.reuse_distance``.
"""

from dataclasses import dataclass

import torch
from torch.nn import functional

from mtshare_ros.sharing.active_tokens import ActiveTokens
from mtshare_ros.sharing.gates import passes, reuse_distance
from mtshare_ros.sharing.memory import tensor_bytes


@dataclass
class ReuseState:
    """
    The memory of reuse, for tokens of the base task and of the M - 1 sub-tasks.

    ``base_update`` (T, D) float32 are the base task's updates. ``difference`` ((M - 1) x T, D)
    float32 is what sub-tasks' updates differ by from them, ``cached_difference`` (..., 2D) in the
    keys' dtype what keys and values differ by. ``kept`` (..., 2, D) float32 is x_s - x_b and x_s
    of a token when it was last computed; x_s - x_b is infinite if it never was.
    """

    base_update: torch.Tensor
    difference: torch.Tensor
    cached_difference: torch.Tensor
    kept: torch.Tensor

    @property
    def nbytes(self) -> int:
        """Bytes of the buffers."""
        return tensor_bytes(
            self.base_update, self.difference, self.cached_difference, self.kept)

    def by_token(self) -> list[torch.Tensor]:
        """Return the buffers; their rows are tokens."""
        return [self.base_update, self.difference, self.cached_difference, self.kept]

    def forget(self) -> None:
        """Mark every token as never computed."""
        self.kept.select(1, 0).fill_(torch.inf)


@dataclass(frozen=True)
class Split:
    """Positions in a list of tokens: which are computed, and which reused."""

    computed: torch.Tensor
    reused: torch.Tensor


@dataclass(frozen=True)
class ReusedTokens:
    """
    Tokens of sub-tasks that are reused, (m,) each.

    ``index`` are their places among the tokens of all encoders, ``kept`` those among the tokens of
    the sub-tasks; ``tokens`` are the base task's tokens at the same positions.
    """

    index: torch.Tensor
    kept: torch.Tensor
    tokens: torch.Tensor

    @classmethod
    def of(cls, active: ActiveTokens, places: torch.Tensor) -> 'ReusedTokens':
        """Return the tokens at positions (m,) of a list of active tokens."""
        index = active.index.index_select(0, places)
        return cls(index, index - active.token_count, index % active.token_count)


class ReuseRule:
    """Decides reuse in one block; ``delta_share`` (M,) is r of each encoder, 0 for the base."""

    def __init__(self, delta_share: torch.Tensor) -> None:
        self._delta_share = delta_share

    def allocate(
        self, token_count: int, width: int, dtype: torch.dtype, device: torch.device
    ) -> ReuseState:
        """Return buffers in which every token is marked as never computed."""
        count = (self._delta_share.shape[0] - 1) * token_count

        def make(*shape: int, kind: torch.dtype = torch.float32) -> torch.Tensor:
            return torch.zeros(shape, dtype=kind, device=device)

        state = ReuseState(make(token_count, width), make(count, width),
                           make(count, 2 * width, kind=dtype), make(count, 2, width))
        state.forget()
        return state

    def split(
        self, state: ReuseState, reference: torch.Tensor, scale: torch.Tensor,
        active: ActiveTokens, values: torch.Tensor, threshold: torch.Tensor,
    ) -> Split | None:
        """
        Return which tokens are reused, None where none are.

        ``reference`` (M x T, D) starts with the base tokens' present inputs; ``threshold`` (M,) is
        relative to ``scale`` (M,).
        """
        base_count = active.counts[0]
        if active.total == base_count or active.certain:
            return None
        inputs, encoders = values[base_count:], active.encoders[base_count:]
        kept = state.kept.index_select(0, active.index[base_count:] - active.token_count)
        kept_gap, kept_input = kept.unbind(1)
        gap = inputs - reference.index_select(0, active.positions[base_count:])
        distances = reuse_distance(
            gap, kept_gap, inputs, kept_input, self._delta_share.index_select(0, encoders))
        forced = None if active.forced is None else active.forced[base_count:]
        bound = (threshold * scale).index_select(0, encoders)
        return _split(passes(distances, bound, forced), base_count)

    def fill_keys(self, state: ReuseState, cache: torch.Tensor, reused: ReusedTokens) -> None:
        """Write the reused tokens' keys and values (M x T, 2D) from the base task's new ones."""
        difference = state.cached_difference.index_select(0, reused.kept)
        cache.index_copy_(0, reused.index, difference.add_(cache.index_select(0, reused.tokens)))

    def remember(
        self, state: ReuseState, reference: torch.Tensor, cache: torch.Tensor,
        active: ActiveTokens, values: torch.Tensor, update: torch.Tensor,
    ) -> None:
        """Keep the updates of computed base tokens, and how computed sub-task tokens differ."""
        base_count = active.counts[0]
        state.base_update.index_copy_(0, active.index[:base_count], update[:base_count])
        if active.total == base_count:
            return
        index, tokens = active.index[base_count:], active.positions[base_count:]
        kept = index - active.token_count
        inputs = values[base_count:]
        gap = inputs - reference.index_select(0, tokens)
        state.kept.index_copy_(0, kept, torch.stack((gap, inputs), dim=1))
        state.difference.index_copy_(
            0, kept, update[base_count:] - state.base_update.index_select(0, tokens))
        state.cached_difference.index_copy_(
            0, kept, cache.index_select(0, index) - cache.index_select(0, tokens))

    def update(self, state: ReuseState, reused: ReusedTokens) -> torch.Tensor:
        """Return the residual update (m, D) of the reused tokens."""
        own = state.difference.index_select(0, reused.kept)
        return own.add_(state.base_update.index_select(0, reused.tokens))


def _split(passing: torch.Tensor, base_count: int) -> Split | None:
    computed = functional.pad(passing, (base_count, 0), value=True)
    reused = (~computed).nonzero()[:, 0]
    return Split(computed.nonzero()[:, 0], reused) if reused.shape[0] else None
