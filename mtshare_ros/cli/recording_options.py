"""The options that ``mtshare bag`` and ``mtshare run`` share, and what they mean."""

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Iterator, Sequence, TYPE_CHECKING

import typer

from mtshare_ros.cli.engines import load_engine
from mtshare_ros.cli.options import read_input_size
from mtshare_ros.cli.output import check_folder, check_picture_path, save_picture
from mtshare_ros.errors import ConfigError

if TYPE_CHECKING:
    from mtshare_ros.inference.engine import Engine
    from mtshare_ros.motion.settings import MotionSettings
    from mtshare_ros.recording.frames import Observer
    from mtshare_ros.sharing.settings import SharingSettings

SharingOption = Annotated[bool, typer.Option(
    '--sharing/--no-sharing', help='Compute only what changed, or every frame whole.')]
TemporalOption = Annotated[float, typer.Option(
    '--temporal-factor', min=0.0, max=10.0, metavar='F',
    help='Factor on the thresholds over time; 0 lets every row through.')]
TaskOption = Annotated[float, typer.Option(
    '--task-factor', min=0.0, max=10.0, metavar='F',
    help='Factor on the thresholds for taking rows over from the base task; 0 takes none.')]
RefreshOption = Annotated[int, typer.Option(
    '--refresh-period', min=1, max=300, metavar='N',
    help='Every token is computed again within N frames.')]
FusionOption = Annotated[bool, typer.Option(
    '--fusion/--no-fusion', help='Average the maps over time, along the motion of the camera that '
                                 'the images tell.')]
InputSizeOption = Annotated[str | None, typer.Option(
    '--input-size', metavar='HxW',
    help='Pixels of the maps, multiples of the patch size of the model (14 or 16). Default: the '
         'size of the model.')]
ThreadsOption = Annotated[int | None, typer.Option(
    '--threads', min=1, metavar='N', help='CPU threads of the network. Default: every core.')]
SheetOption = Annotated[Path | None, typer.Option(
    '--sheet', metavar='FILE.png', help='Save a picture of some frames with their maps.')]
VideoOption = Annotated[Path | None, typer.Option(
    '--video', metavar='FILE.mp4',
    help='Write a video of the frames with their maps in colours; needs the extra [video].')]
RerunOption = Annotated[Path | None, typer.Option(
    '--rerun', metavar='FILE.rrd',
    help='Write a log for the Rerun viewer: maps, cloud, curves; needs the extra [rerun].')]


@dataclass(frozen=True)
class Pictures:
    """The files for people that are written beside the results."""

    sheet: Path | None
    video: Path | None
    rerun: Path | None

    @property
    def wanted(self) -> bool:
        """Whether there is any."""
        return any(path is not None for path in (self.sheet, self.video, self.rerun))

    def check(self, *others: Path | None) -> None:
        """Refuse what could not be written, other files too, before the work begins."""
        from mtshare_ros.recording.previews import check_rerun_path, check_video_path

        check_picture_path(self.sheet)
        check_video_path(self.video)
        check_rerun_path(self.rerun)
        for path in (self.video, self.rerun, *others):
            check_folder(path)

    @contextmanager
    def opened(self, engine: 'Engine') -> 'Iterator[Sequence[Observer]]':
        """Give the writers of the files, and finish the files whatever happens."""
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
        from mtshare_ros.inference.map_outputs import Look
        from mtshare_ros.recording.previews import RerunLog, SheetWriter, VideoWriter

        writers: list['Observer'] = []
        if self.sheet is not None:
            writers.append(SheetWriter(self.sheet, engine.labels, save_picture))
        if self.video is not None:
            writers.append(VideoWriter(self.video, Look(engine.labels.palette())))
        if self.rerun is not None:
            writers.append(RerunLog(self.rerun, engine.labels, engine.assumed_focal_length))
        return writers


def sharing_settings(
    sharing: bool, temporal: float, task: float, refresh_period: int
) -> 'SharingSettings':
    """
    Return what frames are computed with.

    No frame runs dense for being faster so: a figure of speed shall not decide about maps.
    """
    from mtshare_ros.sharing.settings import SharingSettings

    return SharingSettings(
        temporal=sharing, task=sharing, temporal_factor=temporal, task_factor=task,
        refresh_period=refresh_period, max_age=max(SharingSettings.max_age, refresh_period),
        crossover=1.0)


def motion_settings(fusion: bool, *, continuous: bool = True) -> 'MotionSettings':
    """Return what becomes of the maps over time; ConfigError for images that stand alone."""
    from mtshare_ros.motion.settings import MotionSettings

    if fusion and not continuous:
        raise ConfigError('--fusion averages maps over time, and images stand alone; give a video '
                          'or a camera, or leave it out')
    return MotionSettings('images', fusion=True) if fusion else MotionSettings()


def load_network(
    model: str, device: str, precision: str, input_size: str | None, threads: int | None
) -> 'Engine':
    """Load a model for maps of a size (HxW, None: its own), on as many threads (None: all)."""
    size = read_input_size(input_size, '--input-size') if input_size is not None else None
    if threads is not None:
        import torch

        torch.set_num_threads(threads)
    return load_engine(model, device, precision, size)
