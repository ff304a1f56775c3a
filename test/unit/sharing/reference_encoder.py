"""
The fast path written down plainly: what it must compute for given row lists, however slowly.

Nothing is gated here. A frame names the rows that run through the shared blocks, and for every
task the rows that run through its own; all others keep their keys, values and outputs.
"""

from typing import Mapping, Sequence

import torch
from torch.nn import functional

from mtshare_ros.model.backbone import Block, RotaryTable
from mtshare_ros.model.network import MultiTaskNetwork


class ReferenceBlock:
    """One block of one task with the keys and values of all tokens, (N, D) each, in float64."""

    def __init__(self, block: Block, token_count: int, table: RotaryTable | None) -> None:
        self._block = block
        self._table = table
        width = block.norm1.normalized_shape[0]
        self.keys = torch.zeros(token_count, width, dtype=torch.float64)
        self.values = torch.zeros(token_count, width, dtype=torch.float64)

    def run(self, inputs: Mapping[int, torch.Tensor]) -> dict[int, torch.Tensor]:
        """Return the outputs (D,) of tokens with inputs (D,)."""
        queries = {}
        for token, row in inputs.items():
            normed = _norm(self._block.norm1, row)
            query, key, value = _linear(self._block.attn.qkv, normed).chunk(3)
            queries[token] = self._turned(query, token)
            self.keys[token] = self._turned(key, token)
            self.values[token] = value
        # all keys are renewed before the first query looks at them
        return {token: self._finish(row, queries[token]) for token, row in inputs.items()}

    def _finish(self, row: torch.Tensor, query: torch.Tensor) -> torch.Tensor:
        block = self._block
        row = row + _linear(block.attn.proj, self._mixed(query))
        hidden = functional.gelu(_linear(block.mlp.fc1, _norm(block.norm2, row)))
        return row + _linear(block.mlp.fc2, hidden)

    def _mixed(self, query: torch.Tensor) -> torch.Tensor:
        """Return the attention (D,) of one query over all keys, head by head."""
        size = len(query) // self._block.attn.num_heads
        mixed = []
        for columns in torch.arange(len(query)).split(size):
            scores = self.keys[:, columns] @ query[columns] / size ** 0.5
            mixed.append(scores.softmax(dim=0) @ self.values[:, columns])
        return torch.cat(mixed)

    def _turned(self, row: torch.Tensor, token: int) -> torch.Tensor:
        if self._table is None:
            return row
        heads = row.view(1, self._block.attn.num_heads, 1, -1)
        here = RotaryTable(self._table.cosine[token:token + 1], self._table.sine[token:token + 1])
        return here.rotate(heads).flatten()


class ReferenceEncoder:
    """
    All tasks' encoders: the shared blocks once, then the own blocks of every task.

    ``tokens`` are each task's final tokens (T, D) float64, as its head reads them: the patches,
    and after them the prefix, which is computed whenever anything is.
    """

    def __init__(self, network: MultiTaskNetwork, grid: tuple[int, int]) -> None:
        prefix = network.config.prefix_tokens
        count, width = grid[0] * grid[1] + prefix, network.config.embed_dim
        self._prefix = tuple(range(count - prefix, count))
        table = network.rotary(grid, torch.device('cpu'))
        self._network = network
        self._shared = [ReferenceBlock(block, count, table) for block in network.shared_blocks]
        self._own = {
            task: [ReferenceBlock(block, count, table) for block in network.own_blocks(task)]
            for task in network.tasks}
        self._trunk = torch.zeros(count, width, dtype=torch.float64)
        self.tokens = {task: self._trunk.clone() for task in network.tasks}

    def run(
        self, embedded: torch.Tensor, shared: Sequence[int], own: Mapping[str, Sequence[int]]
    ) -> None:
        """
        Compute rows of embedded tokens (T, D).

        ``shared`` run through the shared blocks; ``own`` of each task through its own blocks, from
        what the shared blocks last gave for them. A task that is not named does not run.
        """
        rows = {token: embedded[token].double() for token in self._with_prefix(shared)}
        for token, row in _through(self._shared, rows).items():
            self._trunk[token] = row
        for task, tokens in own.items():
            rows = {token: self._trunk[token].clone() for token in self._with_prefix(tokens)}
            for token, row in _through(self._own[task], rows).items():
                self.tokens[task][token] = _norm(self._network.final_norm(task), row)

    def _with_prefix(self, tokens: Sequence[int]) -> Sequence[int]:
        return (*tokens, *self._prefix) if len(tokens) else ()


def _through(
    blocks: Sequence[ReferenceBlock], rows: dict[int, torch.Tensor]
) -> dict[int, torch.Tensor]:
    for block in blocks:
        rows = block.run(rows)
    return rows


def _linear(layer: torch.nn.Linear, row: torch.Tensor) -> torch.Tensor:
    return layer.weight.double() @ row + layer.bias.double()


def _norm(layer: torch.nn.LayerNorm, row: torch.Tensor) -> torch.Tensor:
    centred = row - row.mean()
    scale = (centred.square().mean() + layer.eps).sqrt()
    return centred / scale * layer.weight.double() + layer.bias.double()
