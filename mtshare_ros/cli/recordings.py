"""What ``mtshare bag`` and ``mtshare run`` have in common: options, previews, the outcome."""

from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
import math
from pathlib import Path
from typing import Annotated, Any, Iterator, Mapping, Sequence, TYPE_CHECKING

import typer

from mtshare_ros.cli.options import load_engine, read_input_size
from mtshare_ros.cli.output import (
    check_folder,
    check_picture_path,
    print_table,
    save_picture,
    warn,
    write_json,
)
from mtshare_ros.errors import ConfigError

if TYPE_CHECKING:
    from mtshare_ros.inference.engine import Engine
    from mtshare_ros.motion.motion_settings import MotionSettings
    from mtshare_ros.recording.frames import Observer
    from mtshare_ros.sharing.sharing_settings import SharingSettings

SharingOption = Annotated[bool | None, typer.Option(
    '--sharing/--no-sharing', help='Compute only what changed, or every frame whole. Default: '
                                   'what changed, but single images whole.')]
FusionOption = Annotated[bool, typer.Option(
    '--fusion/--no-fusion', help="Average the maps over time, along the camera's motion, which is "
                                 'found from the images.')]
ThreadsOption = Annotated[int | None, typer.Option(
    '--threads', min=1, metavar='N', help='CPU threads of the network. Default: every core.')]
VideoOption = Annotated[Path | None, typer.Option(
    '--video', metavar='FILE.mp4',
    help='Write a video of the frames with their maps in colours; needs the extra [video].')]
RerunOption = Annotated[Path | None, typer.Option(
    '--rerun', metavar='FILE.rrd',
    help='Write a log for the Rerun viewer: maps, cloud, curves; needs the extra [rerun].')]


@dataclass(frozen=True)
class Previews:
    """Files for people to look at, which are written beside the results; None for none."""

    sheet: Path | None
    video: Path | None
    rerun: Path | None

    @property
    def wanted(self) -> bool:
        """Whether any of them is written."""
        return any(path is not None for path in (self.sheet, self.video, self.rerun))

    def check(self, *others: Path | None) -> None:
        """Refuse files that cannot be written, ``others`` too, before the work begins."""
        from mtshare_ros.recording.previews import check_rerun_path, check_video_path

        check_picture_path(self.sheet)
        check_video_path(self.video)
        check_rerun_path(self.rerun)
        for path in (self.video, self.rerun, *others):
            check_folder(path)

    @contextmanager
    def opened(self, engine: 'Engine') -> 'Iterator[Sequence[Observer]]':
        """Yield the writers of the files, and finish the files even after an error."""
        observers = self._writers(engine)
        try:
            yield observers
        finally:
            for observer in observers:
                observer.close()
            for path in (self.video, self.rerun):
                if path is not None:
                    typer.echo(f'wrote {path}')

    def _writers(self, engine: 'Engine') -> 'list[Observer]':
        from mtshare_ros.inference.map_outputs import MapColors
        from mtshare_ros.recording.previews import RerunLog, SheetWriter, VideoWriter

        writers: list['Observer'] = []
        if self.sheet is not None:
            writers.append(SheetWriter(self.sheet, engine.labels, save_picture))
        if self.video is not None:
            writers.append(VideoWriter(self.video, MapColors(engine.labels.palette())))
        if self.rerun is not None:
            writers.append(RerunLog(self.rerun, engine.labels, engine.assumed_focal_length))
        return writers


def sharing_settings(
    sharing: bool, temporal_threshold: float, task_threshold: float, refresh_period: int
) -> 'SharingSettings':
    """
    Return the settings of sharing, with a crossover of 1.

    Otherwise a frame would be computed whole where that is faster on this machine, and the maps
    of a recording would depend on the machine's speed.
    """
    from mtshare_ros.sharing.sharing_settings import SharingSettings

    return SharingSettings(
        temporal=sharing, task=sharing, temporal_threshold=temporal_threshold,
        task_threshold=task_threshold, refresh_period=refresh_period,
        max_age=max(SharingSettings.max_age, refresh_period), crossover=1.0)


def motion_settings(fusion: bool, *, continuous: bool = True) -> 'MotionSettings':
    """Return the settings of motion; raise ConfigError for fusion of single images."""
    from mtshare_ros.motion.motion_settings import MotionSettings

    if fusion and not continuous:
        raise ConfigError('--fusion averages maps over time, and single images have no order in '
                          'time; give a video or a camera, or leave it out')
    return MotionSettings('images', fusion=True) if fusion else MotionSettings()


def load_network(
    model: str, device: str, precision: str, input_size: str | None, threads: int | None
) -> 'Engine':
    """Load a model for an ``--input-size``, None for its own, on ``threads``, None for all."""
    size = read_input_size(input_size) if input_size is not None else None
    if threads is not None:
        import torch

        torch.set_num_threads(threads)
    return load_engine(model, device, precision, size)


@dataclass(frozen=True)
class Outcome:
    """
    The result of a run over a recording.

    ``frames`` are in the output, ``skipped`` images could not be read; the first ``resumed_at`` of
    both are from an interrupted run, and not in ``statistics``, the values of RunStatistics.
    ``damage`` says where the input could not be read any further, empty where all could be.
    ``left_out`` counts for topics the frames without them. ``missing`` is the number of images
    that the input should also hold but does not, None where it is unknown.
    """

    engine: 'Engine'
    source: str
    target: str
    frames: int
    skipped: int
    statistics: dict[str, Any]
    sharing: 'SharingSettings'
    resumed_at: int = 0
    damage: str = ''
    left_out: Mapping[str, int] = field(default_factory=dict)
    missing: int | None = None

    def values(self) -> dict[str, Any]:
        """Return everything as it is written to the JSON file."""
        from mtshare_ros.inference.machine_costs import choices_of

        file = self.engine.file
        return {
            'input': self.source, 'output': self.target,
            'model': file.name if file is not None else '', 'device': self.engine.device,
            'input_size': list(self.engine.input_size), 'frames': self.frames,
            'skipped': self.skipped, 'missing': self.missing,
            'resumed_at': self.resumed_at, **self.statistics,
            'damage': self.damage, 'left_out': dict(self.left_out),
            'sharing': asdict(self.sharing),
            'computed_with': choices_of(self.engine, self.sharing),
        }


def report(outcome: Outcome, json: Path | None) -> None:
    """Print the outcome and write it to a file; end with exit code 1 for a damaged input."""
    _print_outcome(outcome)
    for task, count in outcome.statistics['non_finite'].items():
        warn(f'{count} frames have invalid pixels, because the network returned NaN or infinity '
             f'for {task}; try --precision fp32, or get the model file again')
    write_json(json, outcome.values())
    if outcome.damage:
        warn(f'error: {outcome.damage}; everything else is in {outcome.target}')
        raise typer.Exit(1)


def _print_outcome(outcome: Outcome) -> None:
    values, ms = outcome.statistics, outcome.statistics['ms']
    print_table(f'{outcome.target}: {outcome.frames} frames with their maps', ('', ''), (
        ('images that could not be read', str(outcome.skipped)),
        *((('images that are missing', str(outcome.missing)),) if outcome.missing else ()),
        *((f'frames without {topic}', str(count)) for topic, count in outcome.left_out.items()),
        ('frames computed in this run', str(values['computed'])),
        ('ms a frame, median and p95', f'{_number(ms["p50"])}  {_number(ms["p95"])}'),
        ('tokens computed, of all tasks and blocks %', _number(100 * values['active_fraction'])),
        # without sharing nothing is saved
        *((('multiplications saved %', _number(values['macs_saved_percent'])),)
          if outcome.sharing.shares else ()),
    ))


def _number(value: float) -> str:
    return f'{value:.1f}' if math.isfinite(value) else '-'
