"""What heads read of an encoder on lists of fixed lengths."""

from typing import Sequence

import torch

from mtshare_ros.model.network import MultiTaskNetwork
from mtshare_ros.sharing.static.block import Rows
from mtshare_ros.sharing.static.fused import Norm
from mtshare_ros.sharing.static.operators import Operators, PLAIN
from mtshare_ros.sharing.taps import Tap, taps_of

Taps = tuple[Tap, ...]
"""Where a head reads the encoder, in its order."""


class StaticTaps:
    """
    Where the heads of some tasks read the encoders of some members.

    What a head reads of a token stands in one row, that of its taps beside each other: by taps
    (M, T, taps x D), or (1, T, taps x D) where all members have the same. It is in the dtype of
    the products behind the final norm, else float32.
    """

    def __init__(
        self, network: MultiTaskNetwork, tasks: Sequence[str], members: Sequence[str],
        dtype: torch.dtype, operators: Operators = PLAIN,
    ) -> None:
        self._config, self._members = network.config, len(members)
        self._dtype, self._operators = dtype, operators
        self._of = {task: taps_of(network.config, task) for task in tasks}
        self.norms = [network.final_norm(member) for member in members]
        self.norm = Norm.of(self.norms)

    def of(self, task: str) -> Taps:
        """Return the taps of a task's head."""
        return self._of[task]

    def allocate(self, token_count: int, device: torch.device) -> dict[Taps, torch.Tensor]:
        """Return empty buffers for T tokens."""
        width = self._config.embed_dim
        return {taps: torch.zeros(
            1 if all(map(self._alike, taps)) else self._members, token_count, len(taps) * width,
            dtype=self._dtype if taps[0].normed else torch.float32, device=device)
            for taps in self._of.values()}

    def keep(
        self, buffers: dict[Taps, torch.Tensor], block: int, rows: Rows, values: torch.Tensor,
        normed: torch.Tensor, norm: Norm,
    ) -> None:
        """
        Keep what heads read of a block's output (1 or M, n, D) float32.

        ``normed`` is its norm by the layer that follows, which behind the last block is ``norm``,
        the final one.
        """
        width, outputs = values.shape[-1], {Tap(block, normed=False): values}
        if block == self._config.depth:
            outputs[Tap(block)] = normed
        for taps, buffer in buffers.items():
            for place, tap in enumerate(taps):
                if tap.block != block:
                    continue
                target = buffer[..., place * width:(place + 1) * width]
                if tap in outputs:
                    rows.store(target, outputs[tap])
                else:
                    rows.store_normed(self._operators, target, values, norm)

    def _alike(self, tap: Tap) -> bool:
        return tap.block <= self._config.shared_depth and not (tap.normed and self.norm.differs)
