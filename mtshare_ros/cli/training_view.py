"""A training as it is seen on a terminal."""

from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

if TYPE_CHECKING:
    from mtshare_ros.training.recipe import StageRun
    from mtshare_ros.training.trainer import StepReport

_SMOOTHING = 0.05
_STEPS_PER_LINE = 50


class TrainingView:
    """
    A bar with steps, time left and the smoothed loss; validation figures as lines above it.

    Where the output is no terminal, a line now and then takes the place of the bar.
    """

    def __init__(self, run: 'StageRun', *, shown: bool) -> None:
        self._run = run
        self._console = Console(quiet=not shown)
        self._progress = Progress(
            TextColumn('{task.description}'), BarColumn(20), MofNCompleteColumn(),
            TimeElapsedColumn(), TimeRemainingColumn(), TextColumn('{task.fields[note]}'),
            refresh_per_second=1, console=self._console, disable=not shown)
        self._bars: dict[str, TaskID] = {}
        self._loss: float | None = None

    def __enter__(self) -> 'TrainingView':
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def preparing(self, what: str, done: int, total: int) -> None:
        """Show how much of the training data is made."""
        self._show(what, done, total, '')

    def begin(self, done: int) -> None:
        """Show the bar of the training, of which ``done`` steps are made."""
        self._show(self._run.folder, done, self._run.plan.steps, '')

    def step(self, report: 'StepReport') -> None:
        """Advance the bar."""
        loss = sum(report.losses.values())
        self._loss = loss if self._loss is None else self._loss + _SMOOTHING * (loss - self._loss)
        figures = ''.join(f'  {name} {value:.3f}' for name, value in report.figures.items())
        note = f'loss {self._loss:.3f}{figures}'
        self._show(self._run.folder, report.step + 1, self._run.plan.steps, note)
        if not self._console.is_terminal and report.step % _STEPS_PER_LINE == 0:
            self._console.print(f'{self._run.folder}: step {report.step} of '
                                f'{self._run.plan.steps}, {note}')

    def validation(self, step: int, metrics: dict[str, dict[str, float]]) -> None:
        """Print the figures above the bar."""
        figures = '  '.join(f'{task} {name} {value:.2f}' for task, values in metrics.items()
                            for name, value in list(values.items())[:1])
        self._console.print(f'{self._run.folder}: step {step}: {figures}')

    def _show(self, name: str, done: int, total: int, note: str) -> None:
        if name not in self._bars:
            self._bars[name] = self._progress.add_task(name, total=total, note='')
        self._progress.update(self._bars[name], completed=done, note=note)
