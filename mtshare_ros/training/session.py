"""A whole run: train, validate now and then, record."""

from collections.abc import Callable, Iterable
from typing import Protocol

from mtshare_ros.evaluation.scorer import evaluate, Metrics
from mtshare_ros.evaluation.scoring import Truth
from mtshare_ros.inference.engine import Engine
from mtshare_ros.training.trainer import StepReport, Trainer


class Observer(Protocol):
    """Whoever wants to know how a run goes: the recorder, a progress bar."""

    def step(self, report: StepReport) -> None:
        """Take note of one optimiser step."""

    def validation(self, step: int, metrics: Metrics) -> None:
        """Take note of the figures after ``step`` steps."""


def train(
    trainer: Trainer,
    validation_frames: Callable[[], Iterable[Truth]],
    observers: Iterable[Observer],
) -> Metrics:
    """Run a trainer to its end and return the last validation figures."""
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
    trainer.processes.wait()  # the next stage asks whether this one is finished
    return metrics


def _stops(trainer: Trainer) -> list[int]:
    """Return the steps to validate at; a finished run is validated once more."""
    last, every = trainer.run.plan.steps, trainer.run.recipe.validate_every_steps
    return [*range((trainer.step // every + 1) * every, last, every), last]
