"""``mtshare run``: computes the maps of images, a video or a camera."""

from enum import Enum
from pathlib import Path
from typing import Annotated, TYPE_CHECKING

import typer

from mtshare_ros.cli import options, recordings
from mtshare_ros.cli.output import check_folder, progress_bar, StopRequest, warn
from mtshare_ros.cli.recordings import Outcome, Previews

if TYPE_CHECKING:
    from mtshare_ros.inference.engine import Engine
    from mtshare_ros.inference.prediction import InferenceSettings
    from mtshare_ros.recording.frames import FrameRun, FrameSource
    from mtshare_ros.recording.map_files import MapFiles

EXAMPLES = """
mtshare run photos/ --output maps
mtshare run hall.png desk.jpg --output maps --arrays npy --sheet maps.png
mtshare run walk.mp4 --output maps --video walk_maps.mp4
mtshare run 0 --output maps --frames 100 --topics semantic/color,depth/image
"""


class Arrays(str, Enum):
    """How depth and normals are written."""

    PNG = 'png'
    NPY = 'npy'


SourcesArgument = Annotated[list[str], typer.Argument(
    metavar='SOURCE', help='Images, folders of images, one video, the number of a '
                            'camera, or the address of a stream.')]
OutputOption = Annotated[Path, typer.Option(
    '--output', metavar='DIR', help='Where the maps go.')]
TopicsOption = Annotated[str | None, typer.Option(
    '--topics', metavar='MAP,...', help='What to write. Default: the maps, without pictures; an '
                                        'unknown name prints the list of all.')]
ArraysOption = Annotated[Arrays, typer.Option(
    '--arrays', help='Depth and normals: png (millimetres, 8 bits) or npy (float32, exact).')]
FramesOption = Annotated[int | None, typer.Option(
    '--frames', min=1, metavar='N', help='Only the first N frames.')]
OverwriteOption = Annotated[bool, typer.Option(
    '--overwrite', help='Write into a folder that is not empty.')]


def run(
    sources: SourcesArgument,
    output: OutputOption,
    topics: TopicsOption = None,
    arrays: ArraysOption = Arrays.PNG,
    frames: FramesOption = None,
    overwrite: OverwriteOption = False,
    model: options.ModelOption = 'default',
    sharing: recordings.SharingOption = None,
    temporal_threshold: options.TemporalThresholdOption = 1.0,
    task_threshold: options.TaskThresholdOption = 1.0,
    refresh_period: options.RefreshPeriodOption = 30,
    fusion: recordings.FusionOption = False,
    input_size: options.InputSizeOption = None,
    device: options.DeviceOption = 'auto',
    precision: options.PrecisionOption = 'auto',
    threads: recordings.ThreadsOption = None,
    json: options.JsonOption = None, sheet: options.SheetOption = None,
    video: recordings.VideoOption = None, rerun: recordings.RerunOption = None,
) -> None:
    """
    Compute the maps of images, of a video or of a camera, and write them as files.

    Every map has a folder in DIR, every frame a file in it; docs/bags.md describes the files.
    Ctrl-C ends the run; everything before it is written.
    """
    from mtshare_ros.inference.map_outputs import choose_outputs, offered_outputs, task_of
    from mtshare_ros.inference.prediction import InferenceSettings
    from mtshare_ros.recording.frame_sources import open_source
    from mtshare_ros.recording.map_files import MapFiles, prepare_folder

    previews = Previews(sheet, video, rerun)
    previews.check()
    check_folder(json)
    prepare_folder(output, overwrite)
    source = open_source(sources)
    motion = recordings.motion_settings(fusion, continuous=source.continuous)
    engine = recordings.load_network(model, device, precision, input_size, threads)
    offered = offered_outputs(engine.tasks, engine.description.architecture.relative_depth)
    outputs = choose_outputs(topics, [row for row in offered if row.is_map], '--topics')
    shared = recordings.sharing_settings(
        source.continuous if sharing is None else sharing, temporal_threshold, task_threshold,
        refresh_period)
    settings = InferenceSettings.to_show(
        map(task_of, outputs), engine.tasks, shared, activity=previews.wanted, motion=motion)
    maps = MapFiles(output, outputs, engine.labels, npy=arrays is Arrays.NPY)
    job = _run(source, engine, settings, maps, frames, previews)
    recordings.report(Outcome(engine, ' '.join(sources), str(output), job.frames, job.skipped,
                   job.statistics.values(), settings.sharing, damage=job.damage), json)
    _end(job, source.live)


def _end(job: 'FrameRun', live: bool) -> None:
    """End with the exit code of a run that was stopped or could use no image."""
    if job.stopped and not live:
        raise typer.Exit(130)
    if not job.frames:
        warn(f'error: nothing was computed, because not one of {job.skipped} images could be used')
        raise typer.Exit(1)


def _run(
    source: 'FrameSource', engine: 'Engine', settings: 'InferenceSettings', maps: 'MapFiles',
    frames: int | None, previews: Previews,
) -> 'FrameRun':
    from mtshare_ros.recording.frames import FrameRun, Perception

    with StopRequest() as stop, previews.opened(engine) as observers:
        perception = Perception(engine, settings, alone=not (
            settings.sharing.shares or settings.motion.active))
        job = FrameRun(source, perception, (maps, *observers), warn)
        with progress_bar('computing', frames or source.count) as progress:
            job.run(frames, progress, lambda: stop.requested)
    return job
