"""``mtshare bag``: computes the maps of a recording into a bag."""

from enum import Enum
from pathlib import Path
from typing import Annotated, TYPE_CHECKING

import typer

from mtshare_ros.cli import options, recordings
from mtshare_ros.cli.output import progress_bar, warn
from mtshare_ros.cli.recordings import Outcome, Previews

if TYPE_CHECKING:
    from mtshare_ros.inference.engine import Engine
    from mtshare_ros.recording.bag_plan import BagPlan
    from mtshare_ros.recording.recording import Recording

EXAMPLES = """
mtshare bag drive/ maps/
mtshare bag drive.mcap maps/ --image-topic /camera/image_raw --video maps.mp4
mtshare bag drive/ maps/ --topics semantic/mask,depth/image,depth/camera_info
mtshare bag drive/ all/ --copy-input --namespace perception --storage sqlite3
mtshare bag drive/ cut/ --start 10 --end 20 --sheet maps.png --json results.json
mtshare bag walk.mp4 maps/ --copy-input
mtshare bag photos/ maps/
"""


class Storage(str, Enum):
    """How a bag is stored."""

    MCAP = 'mcap'
    SQLITE3 = 'sqlite3'


class CameraMatrix(str, Enum):
    """Which matrix of a CameraInfo belongs to the images."""

    AUTO = 'auto'
    RAW = 'K'
    RECTIFIED = 'P'


SourceArgument = Annotated[Path, typer.Argument(
    metavar='IN', help='A rosbag2 folder, one .mcap or .db3 file, a video, or a folder of '
                       'images.')]
TargetArgument = Annotated[Path, typer.Argument(metavar='OUT', help='The folder of the new bag.')]
ImageTopicOption = Annotated[str | None, typer.Option(
    metavar='TOPIC', help='The images; needed where the bag has several such topics.')]
CameraInfoTopicOption = Annotated[str | None, typer.Option(
    metavar='TOPIC', help='The calibration. Default: the one beside the images, or the only '
                          'one.')]
CameraMatrixOption = Annotated[CameraMatrix, typer.Option(
    help='The matrix of the calibration that belongs to the images: K (raw), P (rectified); auto '
         'is P where their topic is named rect.')]
TopicsOption = Annotated[str | None, typer.Option(
    metavar='TOPIC,...', help='What to write. Default: the maps, without pictures and cloud; an '
                              'unknown name prints the list of all.')]
NamespaceOption = Annotated[str, typer.Option(
    metavar='NAME', help='The namespace of the topics that are written.')]
StorageOption = Annotated[Storage | None, typer.Option(help='Default: that of the input.')]
CopyOption = Annotated[bool, typer.Option(
    '--copy-input/--no-copy-input', help='Copy the other topics of the input, too.')]
StartOption = Annotated[float | None, typer.Option(
    min=0.0, metavar='S', help='Begin S seconds after the beginning of the bag.')]
EndOption = Annotated[float | None, typer.Option(
    min=0.0, metavar='S', help='End S seconds after the beginning of the bag.')]
SegmentOption = Annotated[int, typer.Option(
    min=1, metavar='N', help='Images in a file of the new bag; an interrupted run loses no more '
                             'than these.')]
WarmUpOption = Annotated[int, typer.Option(
    '--warm-up', min=0, metavar='N',
    help='Images before each file of the new bag that are computed first and not written.')]
OverwriteOption = Annotated[bool, typer.Option(
    '--overwrite', help='Replace a bag OUT, and what another command left unfinished there.')]


def bag(
    source: SourceArgument,
    target: TargetArgument,
    image_topic: ImageTopicOption = None,
    camera_info_topic: CameraInfoTopicOption = None,
    camera_matrix: CameraMatrixOption = CameraMatrix.AUTO,
    topics: TopicsOption = None,
    namespace: NamespaceOption = '',
    storage: StorageOption = None,
    copy_input: CopyOption = False,
    start: StartOption = None, end: EndOption = None,
    segment: SegmentOption = 250, warm_up: WarmUpOption = 0,
    overwrite: OverwriteOption = False,
    model: options.ModelOption = 'default',
    sharing: recordings.SharingOption = None,
    temporal_threshold: options.TemporalThresholdOption = 1.0,
    task_threshold: options.TaskThresholdOption = 1.0,
    refresh_period: options.RefreshPeriodOption = 30,
    fusion: recordings.FusionOption = False,
    input_size: options.InputSizeOption = None,
    device: options.DeviceOption = 'auto', precision: options.PrecisionOption = 'auto',
    threads: recordings.ThreadsOption = None,
    json: options.JsonOption = None, sheet: options.SheetOption = None,
    video: recordings.VideoOption = None, rerun: recordings.RerunOption = None,
) -> None:
    """
    Compute the maps of a bag, a video or images and write them into a new bag, without ROS.

    Outputs, stamps and frames are those of the perception node. The same command goes on after an
    interruption. Of a damaged input all that can be read is used, with exit code 1.
    """
    from mtshare_ros.recording.bag_plan import BagPlan

    previews = Previews(sheet, video, rerun)
    previews.check(json)
    with _open(source) as opened:
        images, infos = _choose_topics(opened, image_topic, camera_info_topic)
        plan = BagPlan(
            source, target, storage.value if storage else opened.storage, images, infos,
            namespace=namespace.strip('/'), copy_input=copy_input, start_s=start, end_s=end,
            segment=segment, warm_up=warm_up, overwrite=overwrite,
            camera_matrix=camera_matrix.value, sharing=recordings.sharing_settings(
                opened.continuous if sharing is None else sharing, temporal_threshold,
                task_threshold, refresh_period),
            motion=recordings.motion_settings(fusion, continuous=opened.continuous))
        # before the model is loaded, which takes seconds: only the outputs depend on it
        plan.prepare_target()
        engine = recordings.load_network(model, device, precision, input_size, threads)
        outcome = _run(opened, plan.with_outputs(topics, engine), engine, previews)
    recordings.report(outcome, json)


def _open(source: Path) -> 'Recording':
    """Open the input; print how it is read where that is not the usual way."""
    from mtshare_ros.recording.recording import open_recording

    return open_recording(source, warn)


def _choose_topics(
    opened: 'Recording', image_topic: str | None, camera_info_topic: str | None
) -> tuple[str, str]:
    """Return the topics of images and calibrations."""
    from mtshare_ros.recording.bag import choose_calibration_topic, choose_image_topic

    image = choose_image_topic(opened.topics, image_topic).name
    calibration = choose_calibration_topic(opened.topics, camera_info_topic, image)
    return image, calibration.name if calibration is not None else ''


def _run(
    opened: 'Recording', plan: 'BagPlan', engine: 'Engine', previews: Previews
) -> Outcome:
    from mtshare_ros.recording.bag_run import BagRun

    total = _count_images(opened, plan)
    with previews.opened(engine) as observers:
        run = BagRun(opened, plan, engine, observers=observers, say=warn)
        if run.resumed_at:
            warn(f'continuing after {run.resumed_at} images that are done already; they are not '
                 'in the statistics and the pictures of this run')
        try:
            with progress_bar('computing', total) as progress:
                run.run(progress)
        except KeyboardInterrupt:
            warn(f'{run.images} images are in complete files; the same command goes on after them')
            raise
    damages = [str(damage) for damage in opened.damages]
    if run.missing:
        damages.append(f'{run.missing} of {run.images + run.missing} images are missing')
    return Outcome(
        engine, str(plan.source), str(plan.target), run.frames, run.skipped,
        run.statistics.values(), plan.sharing, resumed_at=run.resumed_at,
        damage=f'{opened.path}: {"; ".join(damages)}' if damages else '',
        left_out=dict(run.left_out), missing=run.missing)


def _count_images(opened: 'Recording', plan: 'BagPlan') -> int | None:
    """Return the number of images, None where only a part is read or it is unknown."""
    if plan.start_s is not None or plan.end_s is not None:
        return None
    return next(topic.count for topic in opened.topics if topic.name == plan.image_topic) or None
