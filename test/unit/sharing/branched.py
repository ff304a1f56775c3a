"""A tiny network whose sub-tasks have weights of their own, and blocks of it ready for rows."""

from dataclasses import replace
from typing import Sequence

from tiny import TINY
import torch

from mtshare_ros.model.deltas import add_random_deltas, branch_out
from mtshare_ros.model.network import build_model, MultiTaskNetwork
from mtshare_ros.sharing.active_tokens import ActiveTokens, count_by_encoder, RotationTable
from mtshare_ros.sharing.block import BlockWeights
from mtshare_ros.sharing.gates import BlockThresholds
from mtshare_ros.tasks import DEFAULT_TASKS

GRID = (6, 8)
TOKENS = GRID[0] * GRID[1]
CPU = torch.device('cpu')


def branched_network(
    *, depth: int = 4, prefix: int = 2, density: float = 0.3, scale: float = 0.5, **shape
) -> MultiTaskNetwork:
    """Return a network for all tasks; its layers do much more than those of an untrained one."""
    torch.manual_seed(0)
    network = build_model(replace(TINY, depth=depth, **shape), DEFAULT_TASKS, 40).eval()
    with torch.no_grad():
        for name, value in network.named_parameters():
            if name.startswith('blocks') and name.endswith('weight') and 'norm' not in name:
                value.mul_(8)
            elif name.startswith('stem') and value.ndim == 4:
                value.mul_(2.4)
            elif name.startswith('prefix'):
                value.mul_(20)
            elif 'bias' in name or 'norm' in name:
                value.add_(0.1 * torch.randn(value.shape))
    network = branch_out(network, prefix)
    if network.branches and density:
        add_random_deltas(network, density=density, granularity='element', scale=scale)
    return network


def encoders_of(network: MultiTaskNetwork) -> tuple[str, ...]:
    return (network.base_task, *network.branches)


class BlockRun:
    """
    One block for all encoders, run on row lists beside the dense blocks.

    ``inputs`` and ``outputs`` (M x N, D) are the present ones of every row.
    """

    def __init__(
        self, network, make_block, *, block: int = 0, shared: bool = False, dtype=torch.float32
    ) -> None:
        self.modules = [network.shared_blocks[block]] if shared else [
            network.own_blocks(encoder)[block] for encoder in encoders_of(network)]
        self.encoders = len(self.modules)
        self.block = make_block(BlockWeights(self.modules, dtype))
        self.table = network.rotary(GRID, CPU)
        self._rotations = self.table and RotationTable(self.table, dtype)
        self.state = self.block.allocate(TOKENS, CPU)
        generator = torch.Generator().manual_seed(1)
        self.inputs = torch.randn(self.encoders * TOKENS, self.block.weights.width,
                                  generator=generator)
        self.start()

    def rows(self, index: torch.Tensor, forced: torch.Tensor | None = None) -> ActiveTokens:
        counts = count_by_encoder(index, self.encoders, TOKENS)
        marks = None
        if forced is not None:
            marks = torch.zeros(self.encoders * TOKENS, dtype=torch.bool)
            marks[index] = forced
        return ActiveTokens(index, counts, TOKENS, marks, self._rotations)

    def start(self) -> None:
        every = torch.arange(self.inputs.shape[0])
        self.outputs = self.block.dense(self.state, self.rows(every), self.inputs)

    def step(
        self, index: torch.Tensor, values: torch.Tensor, *,
        temporal: Sequence[float] | None = None, task: Sequence[float] | None = None,
        forced: torch.Tensor | None = None,
    ):
        """Let sorted rows (n,) of all encoders have other inputs (n, D)."""
        self.inputs[index] = values
        update = self.block.update(
            self.state, self.rows(index, forced), values.clone(),
            BlockThresholds(*(None if threshold is None else torch.tensor(threshold)
                              for threshold in (temporal, task))))
        self.outputs[update.active.index] = update.values
        return update

    def dense_outputs(self) -> torch.Tensor:
        """Return (M x N, D) of the dense blocks for the present inputs."""
        with torch.no_grad():
            return torch.cat([
                module(part[None], self.table)[0]
                for module, part in zip(self.modules, self.inputs.split(TOKENS))])

    def error(self) -> float:
        """Return the largest distance of an output from the dense one."""
        return (self.outputs - self.dense_outputs()).abs().max().item()


def some_rows(
    run: BlockRun, count: int, generator: torch.Generator, *, step: float = 1.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return sorted rows (count,) of any encoders and new inputs ``step`` away from the old."""
    index = torch.randperm(run.inputs.shape[0], generator=generator)[:count].sort().values
    noise = torch.randn(count, run.inputs.shape[1], generator=generator)
    return index, run.inputs[index] + step * noise
