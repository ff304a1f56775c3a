"""
Task sharing above the shared blocks: rows reused from the base task.

When a row of a sub-task s is computed, the difference d = u_s - u_b of the two tasks' residual
updates is kept, and likewise that of keys and values. Later the row may reuse u_b + d. To
first order d moves by J_b d(x_s - x_b) + (J_s - J_b) dx_s: the first term says that the two
inputs have drifted apart, the second that the sub-task's own weights meet another input. A test of
the first term alone would never let the delta weights act right after the shared blocks, where
x_s = x_b. So a row is reused while

    |(x_s - x_b) - (x_s - x_b)_kept| + r |x_s - x_s,kept| <= threshold,

r being the size of the delta weights relative to the base weights in this block. The error goes to
0 with the threshold. ``rules`` holds the formula.
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
    What reuse needs to remember, by token of the base and by row of the M - 1 sub-tasks.

    ``base_update`` (T, D) float32; ``difference`` ((M - 1) x T, D) float32 is that of updates,
    ``cached_difference`` (..., 2D) in the keys' dtype that of keys and values. ``kept``
    (..., 2, D) float32 is the gap to the base's input and the input itself, of a row when it was
    computed. A row that never was has an infinite gap.
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

    def by_row(self) -> list[torch.Tensor]:
        """Return the buffers, which have one row, or several, for each token."""
        return [self.base_update, self.difference, self.cached_difference, self.kept]

    def forget(self) -> None:
        """Make every row one that was never computed."""
        self.kept.select(1, 0).fill_(torch.inf)


@dataclass(frozen=True)
class Split:
    """Positions in a row list that are computed, and that are reused (None: none are)."""

    computed: torch.Tensor
    reused: torch.Tensor


@dataclass(frozen=True)
class ReusedTokens:
    """
    Rows of sub-tasks that are reused, (m,) each.

    ``index`` counts them through all encoders and ``kept`` through the sub-tasks; ``tokens`` are
    those of the base.
    """

    index: torch.Tensor
    kept: torch.Tensor
    tokens: torch.Tensor

    @classmethod
    def of(cls, rows: ActiveTokens, places: torch.Tensor) -> 'ReusedTokens':
        """Return those at positions (m,) of a list."""
        index = rows.index.index_select(0, places)
        return cls(index, index - rows.token_count, index % rows.token_count)


class ReuseRule:
    """The rule for one block; ``delta_share`` (M,) is r of each encoder, 0 for the base."""

    def __init__(self, delta_share: torch.Tensor) -> None:
        self._delta_share = delta_share

    def allocate(
        self, token_count: int, width: int, dtype: torch.dtype, device: torch.device
    ) -> ReuseState:
        """Return buffers in which every row is one that was never computed."""
        rows = (self._delta_share.shape[0] - 1) * token_count

        def make(*shape: int, kind: torch.dtype = torch.float32) -> torch.Tensor:
            return torch.zeros(shape, dtype=kind, device=device)

        state = ReuseState(make(token_count, width), make(rows, width),
                           make(rows, 2 * width, kind=dtype), make(rows, 2, width))
        state.forget()
        return state

    def split(
        self, state: ReuseState, reference: torch.Tensor, scale: torch.Tensor,
        rows: ActiveTokens, values: torch.Tensor, threshold: torch.Tensor,
    ) -> Split | None:
        """
        Return which rows are reused, None where none are.

        ``reference`` (M x T, D) holds the base rows' present inputs first; ``threshold`` (M,) is
        relative to ``scale`` (M,).
        """
        base_rows = rows.counts[0]
        if rows.total == base_rows or rows.certain:
            return None
        inputs, encoders = values[base_rows:], rows.encoders[base_rows:]
        kept = state.kept.index_select(0, rows.index[base_rows:] - rows.token_count)
        kept_gap, kept_input = kept.unbind(1)
        gap = inputs - reference.index_select(0, rows.tokens[base_rows:])
        distances = reuse_distance(
            gap, kept_gap, inputs, kept_input, self._delta_share.index_select(0, encoders))
        forced = None if rows.forced is None else rows.forced[base_rows:]
        bound = (threshold * scale).index_select(0, encoders)
        return _split(passes(distances, bound, forced), base_rows)

    def fill_keys(self, state: ReuseState, cache: torch.Tensor, reused: ReusedTokens) -> None:
        """Write the taken rows' keys and values (M x T, 2D), those of the base being renewed."""
        difference = state.cached_difference.index_select(0, reused.kept)
        cache.index_copy_(0, reused.index, difference.add_(cache.index_select(0, reused.tokens)))

    def remember(
        self, state: ReuseState, reference: torch.Tensor, cache: torch.Tensor,
        rows: ActiveTokens, values: torch.Tensor, update: torch.Tensor,
    ) -> None:
        """Keep the updates of computed base rows, and how computed sub-task rows differ."""
        base_rows = rows.counts[0]
        state.base_update.index_copy_(0, rows.index[:base_rows], update[:base_rows])
        if rows.total == base_rows:
            return
        index, tokens = rows.index[base_rows:], rows.tokens[base_rows:]
        kept = index - rows.token_count
        inputs = values[base_rows:]
        gap = inputs - reference.index_select(0, tokens)
        state.kept.index_copy_(0, kept, torch.stack((gap, inputs), dim=1))
        state.difference.index_copy_(
            0, kept, update[base_rows:] - state.base_update.index_select(0, tokens))
        state.cached_difference.index_copy_(
            0, kept, cache.index_select(0, index) - cache.index_select(0, tokens))

    def update(self, state: ReuseState, reused: ReusedTokens) -> torch.Tensor:
        """Return the residual update (m, D) of the taken rows."""
        own = state.difference.index_select(0, reused.kept)
        return own.add_(state.base_update.index_select(0, reused.tokens))


def _split(passing: torch.Tensor, base_rows: int) -> Split | None:
    computed = functional.pad(passing, (base_rows, 0), value=True)
    reused = (~computed).nonzero()[:, 0]
    return Split(computed.nonzero()[:, 0], reused) if reused.shape[0] else None
