"""``mtshare train``: render the training frames, train, validate."""

from pathlib import Path
from typing import Annotated, Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
import typer

EXAMPLES = """
mtshare train config/train/rooms_joint.yaml --output runs/rooms_joint
mtshare train config/train/rooms_joint.yaml --output runs/short --set rooms.frames=500
"""


def train(
    config: Annotated[Path, typer.Argument(help='Configuration, such as config/train/*.yaml.')],
    output: Annotated[Path, typer.Option(help='Folder of the run; resumed where it exists.')],
    data: Annotated[
        Path, typer.Option(help='Folder for the rendered training frames.')
    ] = Path('runs/rooms_frames'),
    device: Annotated[str, typer.Option(help='auto, cpu, cuda or cuda:N.')] = 'auto',
    threads: Annotated[int, typer.Option(help='CPU threads; 0 lets PyTorch decide.')] = 0,
    settings: Annotated[
        list[str] | None,
        typer.Option('--set', help='Change a value, such as optimizer.learning_rate=5e-4.'),
    ] = None,
) -> None:
    """Train a model on procedural rooms; stopped at any time, the same command goes on."""
    import torch

    from mtshare_ros.config import load_config, override
    from mtshare_ros.training.config import TrainingConfig
    from mtshare_ros.training.recorder import Recorder
    from mtshare_ros.training.rooms import describe, prepare_frames, validation_frames
    from mtshare_ros.training.run_directory import RunDirectory
    from mtshare_ros.training.session import train as train_session
    from mtshare_ros.training.trainer import Trainer

    if threads:
        torch.set_num_threads(threads)
    plan = override(load_config(config, TrainingConfig), settings or [])
    directory = RunDirectory(output)
    with _progress() as progress:
        frames = prepare_frames(plan.rooms, data, _Rendering(progress))
        trainer = Trainer(plan, describe(plan, frames), frames, directory, device)
        recorder = Recorder(directory)
        view = _TrainingView(progress, plan.steps, trainer.step)
        try:
            train_session(trainer, lambda: validation_frames(plan), [recorder, view])
        finally:
            recorder.close()
    Console().print(f'model: {directory.model}\ncurves: tensorboard --logdir {directory.log}')


def _progress() -> Progress:
    return Progress(
        TextColumn('{task.description}'), BarColumn(20), MofNCompleteColumn(), TimeElapsedColumn(),
        TimeRemainingColumn(), TextColumn('{task.fields[note]}'), refresh_per_second=1,
    )


class _Rendering:
    """Shows how many training frames are rendered."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: Any = None

    def __call__(self, done: int, total: int) -> None:
        if self._task is None:
            self._task = self._progress.add_task('rendering', total=total, note='')
        self._progress.update(self._task, completed=done)


class _TrainingView:
    """Shows steps, the smoothed sum of the losses, and validation figures."""

    def __init__(self, progress: Progress, steps: int, done: int) -> None:
        self._progress = progress
        self._task = progress.add_task('training', total=steps, completed=done, note='')
        self._loss: float | None = None

    def step(self, report: Any) -> None:
        """Advance the bar."""
        loss = sum(report.losses.values())
        self._loss = loss if self._loss is None else 0.95 * self._loss + 0.05 * loss
        self._progress.update(
            self._task, completed=report.step + 1, note=f'loss {self._loss:.3f}')

    def validation(self, step: int, metrics: dict[str, dict[str, float]]) -> None:
        """Print the figures above the bar."""
        figures = '  '.join(f'{task} {name} {value:.2f}' for task, values in metrics.items()
                            for name, value in list(values.items())[:1])
        self._progress.console.print(f'step {step}: {figures}')
