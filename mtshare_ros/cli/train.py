"""``mtshare train``: trains the stages of a recipe, and joins them to the model of all tasks."""

from collections.abc import Sequence
import os
from pathlib import Path
from typing import Annotated, Any, TYPE_CHECKING

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
import typer

from mtshare_ros.cli.options import DeviceOption, offer_tasks

if TYPE_CHECKING:
    from mtshare_ros.training.processes import Processes
    from mtshare_ros.training.recipe import StageRun
    from mtshare_ros.training.run_directory import Family
    from mtshare_ros.training.trainer import StepReport
    from mtshare_ros.training.training_data import Places

_SMOOTHING = 0.05
_STEPS_PER_LINE = 50

EXAMPLES = """
mtshare train config/train/rooms.yaml --output runs/rooms
mtshare train config/train/rooms.yaml --output runs/rooms --stage delta-weights --task depth
mtshare train config/train/nyud.yaml --output runs/nyud --root data/NYUDv2
torchrun --nproc-per-node 4 -m mtshare_ros.cli.main train config/train/rooms.yaml --output runs/4
"""


def train(
    recipe: Annotated[Path, typer.Argument(
        metavar='RECIPE', help='What to train, such as config/train/*.yaml.')],
    output: Annotated[Path, typer.Option(
        metavar='DIR', help='Folder of the runs; resumed where they exist.')],
    stage: Annotated[str, typer.Option(
        metavar='STAGE', help='One stage of the recipe, or all of them in order.')] = 'all',
    task: Annotated[str, typer.Option(
        metavar='TASK', help='Only the runs of one task.', autocompletion=offer_tasks)] = '',
    data: Annotated[Path, typer.Option(
        metavar='DIR', help='Folder for rendered rooms; what is missing is rendered.'
    )] = Path('runs/rooms_data'),
    root: Annotated[Path | None, typer.Option(
        metavar='DIR', help='Folder of the data set, for nyud, pascal and folder.')] = None,
    device: DeviceOption = 'auto',
    threads: Annotated[int, typer.Option(
        min=0, metavar='N', help='CPU threads; 0 lets PyTorch decide.')] = 0,
    workers: Annotated[int, typer.Option(
        min=0, metavar='N',
        help='Threads that make batches ahead; 0 makes each when it is needed.')] = 1,
    settings: Annotated[list[str] | None, typer.Option(
        '--set', metavar='NAME=VALUE',
        help='Change a value, such as stages.base.optimizer.learning_rate=5e-4.')] = None,
) -> None:
    """
    Train models: base task, sparse delta weights, sparse delta activations, and baselines.

    Every stage has a folder of its own below --output with its configuration, log and model. The
    same command goes on where it was stopped; finished stages are not trained again. When all
    stages of all tasks are done, they are joined to --output/model.safetensors.
    """
    import torch

    from mtshare_ros.config import override
    from mtshare_ros.file_paths import check_new_folder
    from mtshare_ros.training.recipe import load_recipe, runs_of
    from mtshare_ros.training.run_directory import Family
    from mtshare_ros.training.training_data import Places

    if threads:
        torch.set_num_threads(threads)
    plan = override(load_recipe(recipe), settings or [])
    check_new_folder(output)
    _train_runs(Family(plan, output), runs_of(plan, stage, task), Places(data, root, output),
                device, workers)


def _train_runs(
    family: 'Family', runs: 'Sequence[StageRun]', places: 'Places', device: str, workers: int
) -> None:
    """Train stage after stage, with the other processes that ``torchrun`` started."""
    from mtshare_ros.training.machines import check_folder_of_runs, check_recipes
    from mtshare_ros.training.processes import joined_processes

    with joined_processes(device, _end) as processes:
        check_recipes(processes, family.recipe, runs, device)
        check_folder_of_runs(processes, family, runs)
        for run in runs:
            _train_stage(family, run, places, processes, device, workers)
        if processes.writes and family.is_complete():
            _assemble(family)


def _end(reason: str) -> None:
    """End a process whose main thread waits, perhaps for ever, in a function of PyTorch."""
    typer.echo(f'mtshare: error: {reason}', err=True)
    os._exit(1)


def _train_stage(
    family: 'Family', run: 'StageRun', places: 'Places', processes: 'Processes', device: str,
    workers: int,
) -> None:
    """Train one stage to its end; only one process of several shows and logs it."""
    from mtshare_ros.training.initial_network import explain
    from mtshare_ros.training.machines import check_data
    from mtshare_ros.training.trainer import Recorder, run_training, Trainer
    from mtshare_ros.training.training_data import (
        describe_stage,
        open_batch_source,
        validation_frames,
    )

    directory = family.directory(run)
    if processes.decided(lambda: directory.finished):
        if processes.writes:
            typer.echo(f'{run.folder}: finished already')
        return
    start = family.start_of(run) if processes.writes else None
    with TrainingView(run, shown=processes.writes) as view:
        source = open_batch_source(run, places, view.preparing, processes.device(device))
        description = describe_stage(run, places)
        check_data(processes, run, source, description)
        trainer = Trainer(run, description, source, directory, start=start, device=device,
                          processes=processes, ahead=workers)
        if trainer.initial is not None and processes.writes:
            typer.echo(f'mtshare: {explain(trainer.initial, run.recipe.initial)}', err=True)
        view.begin(trainer.step)
        observers: list[Any] = [view]
        if processes.writes:
            observers.append(Recorder(directory))
        try:
            run_training(trainer, validation_frames(run, places), observers)
        finally:
            trainer.close()
            for observer in observers[1:]:
                observer.close()
    if processes.writes:
        typer.echo(f'{run.folder}: {directory.model}; curves: tensorboard --logdir '
                   f'{directory.log}')


def _assemble(family: 'Family') -> None:
    from mtshare_ros.model.checkpoint import save_checkpoint

    path = family.path / 'model.safetensors'
    checkpoint = family.assembled()
    save_checkpoint(path, checkpoint.network, checkpoint.description)
    typer.echo(f'all tasks: {path}')


class TrainingView:
    """
    Shows a training: a bar with steps, time left and the smoothed loss, metrics as lines above it.

    Where the output is no terminal, it prints a line every 50 steps instead of the bar.
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
        """Show how much of the training data is rendered."""
        self._show(what, done, total, '')

    def begin(self, done: int) -> None:
        """Show the bar of the training, after ``done`` steps of an earlier run."""
        self._show(self._run.folder, done, self._run.plan.steps, '')

    def step(self, report: 'StepReport') -> None:
        """Advance the bar."""
        loss = sum(report.losses.values())
        self._loss = loss if self._loss is None else self._loss + _SMOOTHING * (loss - self._loss)
        others = ''.join(f'  {name} {value:.3f}' for name, value in report.metrics.items())
        note = f'loss {self._loss:.3f}{others}'
        self._show(self._run.folder, report.step + 1, self._run.plan.steps, note)
        if not self._console.is_terminal and report.step % _STEPS_PER_LINE == 0:
            self._console.print(f'{self._run.folder}: step {report.step} of '
                                f'{self._run.plan.steps}, {note}')

    def validation(self, step: int, metrics: dict[str, dict[str, float]]) -> None:
        """Print the first metric of every task above the bar."""
        text = '  '.join(f'{task} {name} {value:.2f}' for task, values in metrics.items()
                         for name, value in list(values.items())[:1])
        self._console.print(f'{self._run.folder}: step {step}: {text}')

    def _show(self, name: str, done: int, total: int, note: str) -> None:
        if name not in self._bars:
            self._bars[name] = self._progress.add_task(name, total=total, note='')
        self._progress.update(self._bars[name], completed=done, note=note)
