"""
The losses that a stage minimises, as modules that take a batch.

They are modules so that DistributedDataParallel can wrap them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

from mtshare_ros.data.batches import Batch, ClipBatch
from mtshare_ros.inference.device import autocast
from mtshare_ros.model.network import MultiTaskNetwork
from mtshare_ros.training.delta_weights import DeltaGates
from mtshare_ros.training.gated_pass import GatedPass, InputGate
from mtshare_ros.training.kept_features import FeatureBatch
from mtshare_ros.training.losses import PartialLoss, task_losses
from mtshare_ros.training.stage_config import GateConfig, LossConfig

GATES = 'open gates'

TOKENS_IN_TIME = 'tokens in time'

TOKENS_ACROSS_TASKS = 'tokens across tasks'


@dataclass(frozen=True)
class Terms:
    """
    The terms of a step's loss, and metrics that are logged but not minimised.

    A term is a sum and a count, so that its mean can be taken over all processes.
    """

    losses: dict[str, PartialLoss]
    metrics: dict[str, torch.Tensor]


class ImageObjective(nn.Module):
    """The losses of tasks on single images, computed densely, and the penalty of delta gates."""

    def __init__(
        self, network: MultiTaskNetwork, tasks: tuple[str, ...],
        losses: Mapping[str, LossConfig], gates: DeltaGates | None, dtype: torch.dtype,
    ) -> None:
        super().__init__()
        self.network = network
        self._tasks, self._losses, self._gates, self._dtype = tasks, losses, gates, dtype

    def forward(self, batch: Batch, progress: float) -> Terms:
        """Return the terms for a batch when ``progress`` (0 to 1) of the stage is done."""
        with autocast(batch.image.device.type, self._dtype):
            raw = self.network(batch.image, self._tasks)
        losses = task_losses(raw, batch.truth, self._losses)
        if self._gates is None:
            return Terms(losses, {})
        penalty = self._gates.penalty(progress)
        losses[GATES] = PartialLoss(penalty, torch.ones_like(penalty))
        density = torch.stack(self._gates.densities()).mean().detach()
        return Terms(losses, {'density': density})


class HeadObjective(nn.Module):
    """The losses of heads on kept features of a frozen backbone."""

    def __init__(
        self, network: MultiTaskNetwork, tasks: tuple[str, ...],
        losses: Mapping[str, LossConfig], dtype: torch.dtype,
    ) -> None:
        super().__init__()
        self.network = network
        self._tasks, self._losses, self._dtype = tasks, losses, dtype

    def forward(self, batch: FeatureBatch, progress: float) -> Terms:
        """Return the terms for a batch; ``progress`` of the stage changes nothing."""
        with autocast(batch.features.tokens.device.type, self._dtype):
            raw = {task: self._raw(task, batch) for task in self._tasks}
        return Terms(task_losses(raw, batch.truth, self._losses), {})

    def _raw(self, task: str, batch: FeatureBatch) -> torch.Tensor:
        config = self.network.config
        outputs = [batch.outputs[tap] for tap in config.taps_of(config.head_of(task))]
        return self.network.heads[task](self.network.head_input(task, outputs, batch.features))


class ClipObjective(nn.Module):
    """The loss of a task on clips with active gates, and the penalty of tokens that pass them."""

    def __init__(
        self, network: MultiTaskNetwork, task: str, losses: Mapping[str, LossConfig],
        gates: GateConfig, dtype: torch.dtype,
    ) -> None:
        super().__init__()
        self.network = network
        self._task, self._losses, self._config, self._dtype = task, losses, gates, dtype
        self._pass = GatedPass(network, task, gates)
        self._gate = InputGate(
            network, next(network.parameters()).device, gates.temporal_threshold)

    def forward(self, batch: ClipBatch, turns: list[int]) -> Terms:
        """Return the terms for clips whose last frame comes at ``turns`` of the refresh."""
        clips = self._gate(batch.frames, turns)
        with autocast(batch.frames.device.type, self._dtype):
            frame = self._pass(clips)
        losses = task_losses({self._task: frame.raw}, batch.last.truth, self._losses)
        losses[TOKENS_IN_TIME] = _weighed(frame.temporal_excess(), self._config.temporal_penalty)
        metrics = {'passed': frame.passed_share().detach()}
        if self._task in self.network.branches:
            losses[TOKENS_ACROSS_TASKS] = _weighed(frame.task_excess(), self._config.task_penalty)
            metrics['reused'] = frame.reused_share().detach()
        return Terms(losses, metrics)


def _weighed(term: PartialLoss, weight: float) -> PartialLoss:
    return PartialLoss(term.total * weight, term.count)
