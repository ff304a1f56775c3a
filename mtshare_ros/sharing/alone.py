"""The transformer block of frames that stand for themselves: it remembers nothing."""

import torch

from mtshare_ros.sharing.attention import attend
from mtshare_ros.sharing.block import BlockThresholds, BlockUpdate, BlockWeights
from mtshare_ros.sharing.rows import ActiveTokens


class AloneBlock:
    """Computes every row of the encoders that have rows, like the block of the network itself."""

    def __init__(self, weights: BlockWeights) -> None:
        self.weights = weights

    def allocate(self, token_count: int, device: torch.device) -> None:
        """Return nothing to remember by."""

    def dense(self, state: None, rows: ActiveTokens, values: torch.Tensor) -> torch.Tensor:
        """Compute every row (n, D) of the encoders that have rows."""
        counts = [count for count in rows.counts if count]
        encoders = self.weights.project(values, rows).split(counts)
        mixed = torch.cat([self._attend(*qkv.chunk(3, dim=1)) for qkv in encoders])
        return values + self.weights.finish(values, mixed, rows.counts)

    def _attend(
        self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor
    ) -> torch.Tensor:
        return attend(query, key, value, self.weights.heads)

    def update(
        self, state: None, rows: ActiveTokens, values: torch.Tensor, thresholds: BlockThresholds
    ) -> BlockUpdate:
        """Raise RuntimeError: there is nothing that some rows could build on."""
        raise RuntimeError('a frame that stands for itself is computed whole')
