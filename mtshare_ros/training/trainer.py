"""The training loop."""

import copy
from dataclasses import dataclass
import math
from typing import Callable

import torch

from mtshare_ros.data.batches import augment, Batch, Frames, load_batch
from mtshare_ros.errors import TrainingError
from mtshare_ros.inference.device import autocast, resolve_device, resolve_precision
from mtshare_ros.model.checkpoint import Checkpoint, save_checkpoint
from mtshare_ros.model.description import ModelDescription
from mtshare_ros.model.network import build_model
from mtshare_ros.training.averaging import AveragedNetwork
from mtshare_ros.training.config import OptimizerConfig, TrainingConfig
from mtshare_ros.training.losses import task_losses
from mtshare_ros.training.run_directory import RunDirectory
from mtshare_ros.training.sampling import Step, StepPlan


@dataclass(frozen=True)
class StepReport:
    """What one optimiser step did: losses are weighted, per task."""

    step: int
    images: int
    learning_rate: float
    losses: dict[str, float]


class Trainer:
    """
    Trains one network as a configuration says; stopped at any time, it goes on where it was saved.

    Raises TrainingError where a loss is not finite, naming the frames of the batch.
    """

    def __init__(
        self,
        config: TrainingConfig,
        description: ModelDescription,
        frames: Frames,
        directory: RunDirectory,
        device: str = 'auto',
    ) -> None:
        name = resolve_device(device, cuda_available=torch.cuda.is_available()).name
        self.config = config
        self.description = description
        self.directory = directory
        self._frames = frames
        self.device = name
        self._device = torch.device(name)
        self._dtype = resolve_precision(config.precision, name)
        self._plan = StepPlan(config, len(frames))
        torch.manual_seed(config.seed)
        network = build_model(config.architecture, config.tasks, len(description.labels))
        self._network = network.to(self._device, memory_format=torch.channels_last)
        self._averaged = AveragedNetwork(self._network, config.optimizer.ema_decay)
        self._optimizer = _build_optimizer(self._network, config.optimizer)
        directory.bind(config)
        self.step = self._resume()

    def checkpoint(self) -> Checkpoint:
        """Return a copy of the averaged network on the CPU with its description."""
        network = copy.deepcopy(self._averaged.network).cpu()
        return Checkpoint(network, self.description)

    def run(self, until: int, report: Callable[[StepReport], None]) -> None:
        """Train up to step ``until`` (excluded), saving on the way and at the end."""
        if self.step >= until:
            return
        while self.step < until:
            report(self._advance(self._plan.step(self.step)))
            self.step += 1
            if self.step % self.config.save_every_steps == 0:
                self.save()
        self.save()

    def save(self) -> None:
        """Write the resumable state and the averaged weights."""
        self.directory.save_state({
            'step': self.step,
            'network': self._network.state_dict(),
            'averaged': self._averaged.network.state_dict(),
            'optimizer': self._optimizer.state_dict(),
        })
        save_checkpoint(self.directory.model, self._averaged.network, self.description)

    def _resume(self) -> int:
        state = self.directory.load_state()
        if state is None:
            return 0
        self._network.load_state_dict(state['network'])
        self._averaged.network.load_state_dict(state['averaged'])
        self._optimizer.load_state_dict(state['optimizer'])
        return state['step']

    def _advance(self, step: Step) -> StepReport:
        rate = learning_rate(self.config, step.number)
        for group in self._optimizer.param_groups:
            group['lr'] = rate
        losses = self._losses(self._batch(step))
        total = torch.stack(list(losses.values())).sum()
        values = {name: loss.item() for name, loss in losses.items()}
        self._check(values, step)
        self._optimizer.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_(
            self._network.parameters(), self.config.optimizer.gradient_clip)
        self._optimizer.step()
        self._averaged.update(self._network, step.number)
        return StepReport(step.number, len(step.indices), rate, values)

    def _batch(self, step: Step) -> Batch:
        batch = load_batch(self._frames, step.indices, step.phase.downscale, step.random)
        return augment(batch, step.phase.input_size, step.random).to(self._device)

    def _losses(self, batch: Batch) -> dict[str, torch.Tensor]:
        self._network.train()
        with autocast(self.device, self._dtype):
            raw = self._network(batch.image)
        return task_losses(raw, batch)

    def _check(self, losses: dict[str, float], step: Step) -> None:
        wrong = [name for name, value in losses.items() if not math.isfinite(value)]
        if wrong:
            raise TrainingError(
                f'step {step.number}: the loss of {wrong[0]} is {losses[wrong[0]]} on the frames '
                f'{list(step.indices)}; look at them, or lower optimizer.learning_rate; '
                f'{self.directory.path} holds the state before'
            )


def learning_rate(config: TrainingConfig, step: int) -> float:
    """Return the learning rate of a step: linear warm-up, then a cosine to zero."""
    warmup = min(1.0, (step + 1) / config.optimizer.warmup_steps)
    cosine = 0.5 + 0.5 * math.cos(math.pi * step / config.steps)
    return config.optimizer.learning_rate * warmup * cosine


def _build_optimizer(network: torch.nn.Module, config: OptimizerConfig) -> torch.optim.AdamW:
    """Decay matrices only: biases and norms are few and need their size."""
    matrices = [value for value in network.parameters() if value.ndim > 1]
    vectors = [value for value in network.parameters() if value.ndim <= 1]
    return torch.optim.AdamW(
        [{'params': matrices, 'weight_decay': config.weight_decay},
         {'params': vectors, 'weight_decay': 0.0}],
        lr=config.learning_rate, betas=(0.9, 0.98),
    )
