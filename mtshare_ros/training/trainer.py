"""The training loop, its validation and its log."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
import json
import math
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn

from mtshare_ros.errors import MissingExtraError, TrainingError
from mtshare_ros.evaluation.scorer import evaluate, Metrics
from mtshare_ros.evaluation.truth_and_rules import Truth
from mtshare_ros.inference.device import cuda_device_count, resolve_device
from mtshare_ros.inference.engine import Engine
from mtshare_ros.model.checkpoint import Checkpoint, save_checkpoint
from mtshare_ros.model.description import ModelDescription
from mtshare_ros.model.network import backbone_digest
from mtshare_ros.training.batch_plan import (
    AnyBatch,
    BatchSource,
    MixedPlan,
    Prefetcher,
    StepPlan,
    Steps,
)
from mtshare_ros.training.delta_weights import merged
from mtshare_ros.training.initial_network import prepare_network, set_modes
from mtshare_ros.training.objectives import ClipObjective, HeadObjective, ImageObjective, Terms
from mtshare_ros.training.optimizer import (
    AveragedNetwork,
    build_optimizer,
    dtype_of,
    set_learning_rate,
)
from mtshare_ros.training.processes import Processes, share_batch_norms
from mtshare_ros.training.recipe import StageRun
from mtshare_ros.training.run_directory import RunDirectory

# many times the refresh period, so that every position in it is as likely
_TURNS = 1 << 16

STEPS_PER_POINT = 20
"""Losses are logged once in so many steps."""


@dataclass(frozen=True)
class StepReport:
    """
    The result of one optimiser step.

    ``losses`` are weighted, by term, and means over the whole batch; ``metrics`` are watched only.
    """

    step: int
    learning_rate: float
    losses: dict[str, float]
    metrics: dict[str, float]


class Trainer:
    """
    Trains one stage; a run that was stopped continues from its last saved state.

    ``source`` gives the batches and ``start`` is the model of the stage that this one continues.
    Of several processes only the one that writes needs ``start`` and reads ``directory``; the
    others begin with its network and its saved state.
    Raises ConfigError for a batch size that the processes cannot divide, TrainingError where a
    loss or a gradient is not finite, naming the items of the batch.
    """

    def __init__(
        self,
        run: StageRun,
        description: ModelDescription,
        source: BatchSource,
        directory: RunDirectory,
        *,
        start: Path | None = None,
        device: str = 'auto',
        processes: Processes | None = None,
        ahead: int = 0,
    ) -> None:
        self.run, self.description, self.directory = run, description, directory
        self.processes = processes or Processes()
        for phase in run.plan.phases:  # fails before any work if a batch cannot be divided
            self.processes.share(range(phase.batch_size))
        choice = resolve_device(device, cuda_devices=cuda_device_count())
        self.device = self.processes.device(choice.name)
        self._source = source
        self._plan: Steps = (
            MixedPlan(run.plan, run.recipe.seed) if run.stage.kept_features
            else StepPlan(run.plan, run.recipe.seed, len(source)))
        # before the network is built, because parts of it may start from random weights
        torch.manual_seed(run.recipe.seed)
        prepared = prepare_network(run, len(description.labels), start)
        network, self._gates, self.initial = prepared.network, prepared.gates, prepared.initial
        if run.stage.kept_features:
            self.description = replace(
                description, backbone_sha256=backbone_digest(network.state_dict()))
        if self.processes.count > 1:
            share_batch_norms(network)
        self._network = network.to(self.device, memory_format=torch.channels_last)
        # made after the move, so that average and optimiser are on the device
        self._averaged = AveragedNetwork(self._network, run.plan.optimizer.ema_decay)
        self._optimizer = build_optimizer(self._network, run.plan)
        self._objective = self.processes.wrap(self._make_objective())
        self._batches = Prefetcher(self._batch, run.plan.steps, ahead)
        if self.processes.writes:
            directory.bind(run)
        self.step = 0
        self._resume()

    def checkpoint(self) -> Checkpoint:
        """Return a copy of the averaged network on the CPU with its description."""
        return Checkpoint(merged(self._averaged.network), self.description)

    def train(self, until: int, report: Callable[[StepReport], None]) -> None:
        """Train up to step ``until`` (excluded), saving on the way and at the end."""
        if self.step >= until:
            return
        while self.step < until:
            report(self._advance(self.step))
            self.step += 1
            if self.step % self.run.recipe.save_every_steps == 0:
                self.save()
        self.save()

    def save(self) -> None:
        """Write the resumable state and the averaged weights."""
        if self.processes.writes:
            self.directory.save_state(self._state())
            save_checkpoint(self.directory.model, self.checkpoint().network, self.description)
        self.processes.wait()

    def close(self) -> None:
        """Stop making batches."""
        self._batches.close()

    def _make_objective(self) -> nn.Module:
        recipe, plan = self.run.recipe, self.run.plan
        dtype = dtype_of(recipe.precision, self.device)
        if self.run.stage.clips:
            return ClipObjective(self._network, self.run.task, recipe.losses, plan.gates, dtype)
        if self.run.stage.kept_features:
            return HeadObjective(self._network, self.run.trained, recipe.losses, dtype)
        return ImageObjective(
            self._network, self.run.trained, recipe.losses, self._gates, dtype)

    def _state(self) -> dict[str, Any]:
        return {
            'step': self.step,
            'network': self._network.state_dict(),
            'averaged': self._averaged.network.state_dict(),
            'optimizer': self._optimizer.state_dict(),
        }

    def _resume(self) -> None:
        state = self.directory.load_state() if self.processes.writes else None
        if self.processes.count > 1:
            # of a run that begins, too: only the first has the model that the stage continues
            state = self.processes.state_of_first(lambda: state or self._state())
        if state is None:
            return
        self._network.load_state_dict(state['network'])
        self._averaged.network.load_state_dict(state['averaged'])
        self._optimizer.load_state_dict(state['optimizer'])
        self.step = state['step']

    def _advance(self, number: int) -> StepReport:
        plan = self.run.plan
        rate = set_learning_rate(self._optimizer, plan, number)
        terms = self._terms(number)
        losses = self.processes.means(terms.losses)
        values = self.processes.average(losses)
        self._check({f'the loss of {name}': value for name, value in values.items()}, number)
        self._optimizer.zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward()
        learning = [parameter for group in self._optimizer.param_groups
                    for parameter in group['params']]
        norm = nn.utils.clip_grad_norm_(learning, plan.optimizer.gradient_clip)
        # checked before the step, so that weights which are not finite are never saved
        self._check({'the gradient': float(norm)}, number)
        self._optimizer.step()
        self._averaged.update(self._network, number)
        return StepReport(number, rate, values, self.processes.average(terms.metrics))

    def _terms(self, number: int) -> Terms:
        set_modes(self._network, self.run)
        if self._gates is not None:
            self._gates.draw(self.run.recipe.seed, number)
        batch = self._batches.get(number).to(torch.device(self.device))
        if self.run.stage.clips:
            return self._objective(batch, self._turns(number))
        return self._objective(batch, number / self.run.plan.steps)

    def _batch(self, number: int) -> AnyBatch:
        """Return this process' part of a step's batch."""
        step = self._plan.step(number)
        return self._source.batch(step, self.processes.share(step.indices))

    def _turns(self, number: int) -> list[int]:
        """Return the position of each clip's last frame in the refresh schedule, at random."""
        step = self._plan.step(number)
        return [int(step.random(place).integers(_TURNS))
                for place, _ in self.processes.share(step.indices)]

    def _check(self, values: dict[str, float], number: int) -> None:
        wrong = [name for name, value in values.items() if not math.isfinite(value)]
        if wrong:
            raise TrainingError(
                f'step {number}: {wrong[0]} is {values[wrong[0]]} on the items '
                f'{list(self._plan.step(number).indices)} of {self._source.name}; look at them, '
                f'or lower optimizer.learning_rate; {self.directory.path} holds the state before'
            )


class Observer(Protocol):
    """Receives the progress of a run: the recorder, a progress bar."""

    def step(self, report: StepReport) -> None:
        """Take note of one optimiser step."""

    def validation(self, step: int, metrics: Metrics) -> None:
        """Take note of the validation metrics after ``step`` steps."""


def run_training(
    trainer: Trainer,
    validation_frames: Callable[[], Iterable[Truth]],
    observers: Iterable[Observer],
) -> Metrics:
    """Run a trainer to its end and return the last validation metrics."""
    observers = tuple(observers)

    def report(step: StepReport) -> None:
        for observer in observers:
            observer.step(step)

    metrics: Metrics = {}
    for stop in _stops(trainer):
        trainer.train(stop, report)
        if trainer.processes.writes:
            engine = Engine(trainer.checkpoint(), device=trainer.device)
            metrics = evaluate(engine, validation_frames())
            for observer in observers:
                observer.validation(stop, metrics)
        trainer.processes.wait()
    if trainer.processes.writes:
        trainer.directory.finish()
    trainer.processes.wait()  # the next stage checks whether this one is finished
    return metrics


def _stops(trainer: Trainer) -> list[int]:
    """Return the steps after which to validate; a finished run is validated once more."""
    last, every = trainer.run.plan.steps, trainer.run.recipe.validate_every_steps
    return [*range((trainer.step // every + 1) * every, last, every), last]


class Recorder:
    """Writes what a trainer reports; raises MissingExtraError where TensorBoard is missing."""

    def __init__(self, directory: RunDirectory) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise MissingExtraError(
                "training needs TensorBoard for its log; run: pip install 'mtshare_ros[train]'"
            ) from error
        self._directory = directory
        self._writer = SummaryWriter(str(directory.log))

    def step(self, report: StepReport) -> None:
        """Log losses, metrics and the learning rate of a step."""
        if report.step % STEPS_PER_POINT:
            return
        for kind, values in (('loss', report.losses), ('metric', report.metrics)):
            for name, value in values.items():
                self._writer.add_scalar(f'{kind}/{name}', value, report.step)
        self._writer.add_scalar('learning_rate', report.learning_rate, report.step)

    def validation(self, step: int, metrics: Metrics) -> None:
        """Log validation metrics and write them to ``metrics.json``."""
        for task, values in metrics.items():
            for name, value in values.items():
                self._writer.add_scalar(f'validation/{task}/{name}', value, step)
        self._writer.flush()
        text = json.dumps({'step': step, 'metrics': metrics}, indent=1)
        (self._directory.path / 'metrics.json').write_text(text + '\n', encoding='utf-8')

    def close(self) -> None:
        """Write what is still buffered."""
        self._writer.close()
