"""``mtshare bag``: the engine over a recorded bag."""

from pathlib import Path
from typing import TYPE_CHECKING

from mtshare_ros.cli import bag_options, recording_options as options
from mtshare_ros.cli.options import DeviceOption, JsonOption, ModelOption, PrecisionOption
from mtshare_ros.cli.progress import progress_bar
from mtshare_ros.cli.recording_options import (
    load_network,
    motion_settings,
    Pictures,
    sharing_settings,
)
from mtshare_ros.cli.recording_outcome import Outcome, report, warn

if TYPE_CHECKING:
    from mtshare_ros.inference.engine import Engine
    from mtshare_ros.recording.bag import Bag
    from mtshare_ros.recording.bag_plan import BagPlan
    from mtshare_ros.recording.bag_run import BagRun

EXAMPLES = """
mtshare bag drive/ maps/
mtshare bag drive.mcap maps/ --image-topic /camera/image_raw --video maps.mp4
mtshare bag drive/ maps/ --topics semantic/mask,depth/image,depth/camera_info
mtshare bag drive/ all/ --copy-input --namespace perception --storage sqlite3
mtshare bag drive/ cut/ --start 10 --end 20 --sheet maps.png --json figures.json
"""


def bag(
    source: bag_options.SourceArgument,
    target: bag_options.TargetArgument,
    image_topic: bag_options.ImageTopicOption = None,
    camera_info_topic: bag_options.CameraInfoTopicOption = None,
    camera_matrix: bag_options.CameraMatrixOption = bag_options.CameraMatrix.AUTO,
    topics: bag_options.TopicsOption = None,
    namespace: bag_options.NamespaceOption = '',
    storage: bag_options.StorageOption = None,
    copy_input: bag_options.CopyOption = False,
    start: bag_options.StartOption = None,
    end: bag_options.EndOption = None,
    segment: bag_options.SegmentOption = 250,
    overwrite: bag_options.OverwriteOption = False,
    model: ModelOption = 'default',
    sharing: options.SharingOption = True,
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
    Compute the maps of a recorded bag and write them into a new one, without ROS.

    The outputs are those of the perception node, with the stamps and frames of their images.
    Interrupted, the same command goes on. Of a damaged bag all that is there is used; exit code 1.
    """
    from mtshare_ros.recording.bag_plan import BagPlan

    pictures = Pictures(sheet, video, rerun)
    pictures.check(json)
    with _open(source) as opened:
        images, infos = _choose_topics(opened, image_topic, camera_info_topic)
        plan = BagPlan(
            source, target, storage.value if storage else opened.storage, images, infos, (),
            namespace.strip('/'), copy_input, start, end, segment, overwrite, camera_matrix.value,
            sharing_settings(sharing, temporal_factor, task_factor, refresh_period),
            motion_settings(fusion))
        plan.prepare_target()
        engine = load_network(model, device, precision, input_size, threads)
        outcome = _run(opened, plan.with_outputs(topics, engine), engine, pictures)
    report(outcome, json)


def _open(source: Path) -> 'Bag':
    """Open the input; say how it is read where that is not the usual way."""
    from mtshare_ros.recording.bag import Bag

    return Bag(source, warn)


def _choose_topics(
    opened: 'Bag', image_topic: str | None, camera_info_topic: str | None
) -> tuple[str, str]:
    """Return the topics of images and calibrations."""
    from mtshare_ros.recording.bag import choose_calibration_topic, choose_image_topic

    image = choose_image_topic(opened.topics, image_topic).name
    calibration = choose_calibration_topic(opened.topics, camera_info_topic, image)
    return image, calibration.name if calibration is not None else ''


def _run(
    opened: 'Bag', plan: 'BagPlan', engine: 'Engine', pictures: Pictures
) -> Outcome:
    from mtshare_ros.recording.bag_run import BagRun

    total = _count_images(opened, plan)
    with pictures.opened(engine) as observers:
        run = BagRun(opened, plan, engine, observers=observers, say=warn)
        if run.resumed_at:
            warn(f'going on behind {run.resumed_at} images that are done already; they are not in '
                 'the figures and the pictures of this run')
        try:
            with progress_bar('computing', total) as progress:
                run.run(progress)
        except KeyboardInterrupt:
            warn(f'{run.safe} images are safe; the same command goes on behind them')
            raise
    return Outcome(
        engine, str(plan.source), str(plan.target), run.frames, run.skipped, run.resumed_at,
        run.statistics.values(), plan.sharing, _describe_damages(opened, run), dict(run.left_out),
        run.missing)


def _describe_damages(opened: 'Bag', run: 'BagRun') -> str:
    """Return all that is wrong with the input in one line, empty where nothing is."""
    damages = [str(damage) for damage in opened.damages]
    if run.missing:
        damages.append(f'{run.missing} of {run.images + run.missing} images are missing')
    return f'{opened.path}: {"; ".join(damages)}' if damages else ''


def _count_images(opened: 'Bag', plan: 'BagPlan') -> int | None:
    """Return how many images there are, None where only a part of the bag is wanted."""
    if plan.start_s is not None or plan.end_s is not None:
        return None
    return next(topic.count for topic in opened.topics if topic.name == plan.image_topic)
