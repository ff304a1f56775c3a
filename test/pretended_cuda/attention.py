"""How many kernels the attention of PyTorch takes on a GPU."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any

import torch

MULTIPROCESSORS = 132  # of the pretended GPU, as of an H200
_ROWS_OF_TILE = 64
_FILLED = 0.8


def attention_kernels(args: Sequence[Any], kwargs: dict[str, Any]) -> int:
    """
    Return the kernels: flash attention in half precision, else the memory-efficient one.

    Where the tiles of queries leave multiprocessors idle, flash attention splits the keys among
    them, and one more kernel combines the parts (``num_splits_heuristic`` of its sources).
    """
    query, key = args[:2]
    if query.dtype == torch.float32:
        return 1
    head = query.shape[-1]
    key_blocks = ceil(key.shape[-2] / (256 if head <= 64 else 128 if head <= 128 else 64))
    tiles = query.shape[:-2].numel() * ceil(query.shape[-2] / _ROWS_OF_TILE)
    return 1 + (_splits(tiles, 2 * MULTIPROCESSORS, key_blocks) > 1)


def _splits(tiles: int, places: int, key_blocks: int) -> int:
    """Return among how many parts the keys are split: the least that is nearly the best."""
    if tiles >= _FILLED * places:
        return 1
    gains = {parts: _share_at_work(tiles * parts / places)
             for parts in range(1, min(128, places, key_blocks) + 1)
             if parts == 1 or ceil(key_blocks / parts) != ceil(key_blocks / (parts - 1))}
    best = max(gains.values())
    return next(parts for parts, gain in gains.items() if gain >= 0.85 * best)


def _share_at_work(waves: float) -> float:
    return waves / ceil(waves)
