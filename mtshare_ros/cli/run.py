"""``mtshare run``: the engine over images, a video or a camera."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from mtshare_ros.cli import recording_options as options, run_options
from mtshare_ros.cli.options import DeviceOption, JsonOption, ModelOption, PrecisionOption
from mtshare_ros.cli.output import check_folder
from mtshare_ros.cli.progress import progress_bar
from mtshare_ros.cli.recording_options import (
    load_network,
    motion_settings,
    Pictures,
    sharing_settings,
)
from mtshare_ros.cli.recording_outcome import Outcome, report, warn
from mtshare_ros.cli.run_options import Arrays
from mtshare_ros.cli.stopping import StopRequest

if TYPE_CHECKING:
    from mtshare_ros.inference.engine import Engine
    from mtshare_ros.inference.prediction import InferenceSettings
    from mtshare_ros.recording.frames import FrameRun, FrameSource

EXAMPLES = """
mtshare run photos/ --output maps
mtshare run hall.png desk.jpg --output maps --arrays npy --sheet maps.png
mtshare run walk.mp4 --output maps --video walk_maps.mp4
mtshare run 0 --output maps --frames 100 --topics semantic/color,depth/image
"""


def run(
    sources: run_options.SourcesArgument,
    output: run_options.OutputOption,
    topics: run_options.TopicsOption = None,
    arrays: run_options.ArraysOption = Arrays.PNG,
    frames: run_options.FramesOption = None,
    overwrite: run_options.OverwriteOption = False,
    model: ModelOption = 'default',
    sharing: run_options.SharingOption = None,
    temporal_factor: options.TemporalOption = 1.0,
    task_factor: options.TaskOption = 1.0,
    refresh_period: options.RefreshOption = 30,
    fusion: options.FusionOption = False,
    input_size: options.InputSizeOption = None,
    device: DeviceOption = 'auto',
    precision: PrecisionOption = 'auto',
    threads: options.ThreadsOption = None,
    json: JsonOption = None,
    sheet: options.SheetOption = None,
    video: options.VideoOption = None,
    rerun: options.RerunOption = None,
) -> None:
    """
    Compute the maps of images, of a video or of a camera, and write them as files.

    Every map has a folder in DIR, every frame a file in it; docs/bags.md says what the files
    hold. Ctrl-C ends a camera, and anything else early, with everything before it written.
    """
    from mtshare_ros.inference.map_outputs import choose_outputs, offered_outputs, task_of
    from mtshare_ros.inference.prediction import InferenceSettings
    from mtshare_ros.recording.frame_sources import open_source
    from mtshare_ros.recording.map_files import prepare_folder

    pictures = Pictures(sheet, video, rerun)
    pictures.check()
    check_folder(json)
    prepare_folder(output, overwrite)
    source = open_source(sources)
    motion = motion_settings(fusion, continuous=source.continuous)
    engine = load_network(model, device, precision, input_size, threads)
    offered = offered_outputs(engine.tasks, engine.description.architecture.relative_depth)
    outputs = choose_outputs(topics, [row for row in offered if row.is_map], '--topics')
    settings = InferenceSettings.to_show(map(task_of, outputs), engine.tasks, sharing_settings(
        source.continuous if sharing is None else sharing, temporal_factor, task_factor,
        refresh_period), activity=pictures.wanted, motion=motion)
    files = Files(output, outputs, npy=arrays is Arrays.NPY, frames=frames)
    job = _run(source, engine, settings, files, pictures)
    report(Outcome(engine, ' '.join(sources), str(output), job.frames, job.skipped, 0,
                   job.statistics.values(), settings.sharing, job.damage), json)
    _end(job, source.live)


def _end(job: 'FrameRun', live: bool) -> None:
    """End with the exit code of a run that was stopped or in which nothing could be used."""
    if job.stopped and not live:
        raise typer.Exit(130)
    if not job.frames:
        warn(f'error: nothing was computed, because not one of {job.skipped} images could be used')
        raise typer.Exit(1)


@dataclass(frozen=True)
class Files:
    """What is written where, and for how many frames, None for all."""

    folder: Path
    outputs: tuple[str, ...]
    npy: bool
    frames: int | None


def _run(
    source: 'FrameSource', engine: 'Engine', settings: 'InferenceSettings', files: Files,
    pictures: Pictures,
) -> 'FrameRun':
    from mtshare_ros.recording.frames import FrameRun, Perception
    from mtshare_ros.recording.map_files import MapFiles

    maps = MapFiles(files.folder, files.outputs, engine.labels, npy=files.npy)
    with StopRequest() as stop, pictures.opened(engine) as observers:
        perception = Perception(engine, settings, alone=not (
            settings.sharing.shares or settings.motion.active))
        job = FrameRun(source, perception, (maps, *observers), warn)
        with progress_bar('computing', files.frames or source.count) as progress:
            job.run(files.frames, progress, lambda: stop.requested)
    return job
