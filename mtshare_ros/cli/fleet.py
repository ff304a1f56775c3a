"""``mtshare fleet``: computes the maps of thousands of recordings on many workers."""

from dataclasses import replace
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Annotated, Sequence, TYPE_CHECKING

import typer

from mtshare_ros.cli import fleet_options, options, recordings
from mtshare_ros.cli.bag import (
    CameraInfoTopicOption,
    CameraMatrix,
    CameraMatrixOption,
    CopyOption,
    ImageTopicOption,
    NamespaceOption,
    StorageOption,
    TopicsOption,
)
from mtshare_ros.cli.fleet_progress import fleet_progress
from mtshare_ros.cli.output import check_folder, print_table, StopRequest, warn, write_json

if TYPE_CHECKING:
    from mtshare_ros.fleet.outcome import Outcome
    from mtshare_ros.fleet.output.manifest import Manifest
    from mtshare_ros.fleet.output.places import Place
    from mtshare_ros.fleet.pool import PoolOptions
    from mtshare_ros.fleet.run_progress import Progress
    from mtshare_ros.fleet.settings import FleetSettings
    from mtshare_ros.fleet.sources.sources import Source

EXAMPLES = """
mtshare fleet drives/ --output maps/
mtshare fleet 'drives/**/*.mcap' walks/*.mp4 --output maps/ --workers 4
mtshare fleet drives.txt --output maps/ --format webdataset --topics semantic/mask,depth/image
mtshare fleet s3://robots/2026/ --output s3://maps/2026/ --address auto --gpus-per-worker 0.5
mtshare fleet drives/ --output changes/ --format summary --compare new.safetensors
"""

_MOST_PROBLEMS = 20
"""How many recordings with problems are named."""

class Format(str, Enum):
    """What is written of a recording."""

    BAG = 'bag'
    PARQUET = 'parquet'
    WEBDATASET = 'webdataset'
    SUMMARY = 'summary'

SourcesArgument = Annotated[list[str], typer.Argument(
    metavar='SOURCE', help='Bags, videos and folders of images; folders of such, globs, lists '
                           '(.txt), manifests (.parquet, .csv, .jsonl); paths or URLs.')]
OutputOption = Annotated[str, typer.Option(
    '--output', metavar='DIR', help='Where everything goes, a folder or a URL such as '
                                    's3://bucket/maps.')]
FormatOption = Annotated[Format, typer.Option(
    '--format', help='bag: as mtshare bag writes them. parquet, webdataset: shards for learning. '
                     'summary: only the page and the manifest.')]
CompareOption = Annotated[str | None, typer.Option(
    '--compare', metavar='MODEL', autocompletion=options.offer_models,
    help='Compute a second model as well, and show where the maps of the two differ most.')]
PoseTopicOption = Annotated[str | None, typer.Option(
    '--pose-topic', metavar='TOPIC', help='A topic with the poses of the camera, for the column '
                                          'pose of shards (Odometry, PoseStamped, ...).')]
PoseFrameOption = Annotated[str | None, typer.Option(
    '--pose-frame', metavar='FRAME', help='The frame of /tf in which the pose of the camera is '
                                          'given, such as map, for the column pose of shards.')]
SegmentOption = Annotated[int, typer.Option(
    min=1, metavar='N', help='Images in a segment: what a worker computes at a time, and a file '
                             'of the output.')]
SharingOption = Annotated[bool | None, typer.Option(
    '--sharing/--no-sharing', help='Compute only what changed, or every frame whole. Default: '
                                   'what changed in bags and videos, images whole.')]
WarmUpOption = Annotated[int, typer.Option(
    '--warm-up', min=0, metavar='N', help='Images before each segment that are computed first '
                                          'and not written.')]
DashboardOption = Annotated[bool, typer.Option(
    '--dashboard', help="Start Ray's dashboard, too; a cluster has its own.")]
OverwriteOption = Annotated[bool, typer.Option(
    '--overwrite', help='Remove what another command of mtshare fleet wrote to the output.')]

def fleet(
    sources: SourcesArgument, output: OutputOption,
    output_format: FormatOption = Format.BAG, compare: CompareOption = None,
    topics: TopicsOption = None, image_topic: ImageTopicOption = None,
    camera_info_topic: CameraInfoTopicOption = None,
    camera_matrix: CameraMatrixOption = CameraMatrix.AUTO,
    pose_topic: PoseTopicOption = None, pose_frame: PoseFrameOption = None,
    namespace: NamespaceOption = '', storage: StorageOption = None,
    copy_input: CopyOption = False, segment: SegmentOption = 250, warm_up: WarmUpOption = 0,
    overwrite: OverwriteOption = False,
    model: options.ModelOption = 'default', sharing: SharingOption = None,
    temporal_threshold: options.TemporalThresholdOption = 1.0,
    task_threshold: options.TaskThresholdOption = 1.0,
    refresh_period: options.RefreshPeriodOption = 30, fusion: recordings.FusionOption = False,
    input_size: options.InputSizeOption = None,
    device: options.DeviceOption = 'auto', precision: options.PrecisionOption = 'auto',
    workers: fleet_options.WorkersOption = None, threads: fleet_options.WorkerThreadsOption = None,
    gpus_per_worker: fleet_options.WorkerGpusOption = None,
    address: fleet_options.AddressOption = None, dashboard: DashboardOption = False,
    json: options.JsonOption = None,
) -> None:
    """
    Compute the maps of any number of recordings on many workers, over Ray.

    The bags are those of mtshare bag with as many threads, byte by byte. The same command goes on
    after an interruption, and tries again what failed; docs/fleet.md tells more.
    """
    from mtshare_ros.fleet.settings import FleetSettings
    from mtshare_ros.fleet.worker_model import WorkerModel
    from mtshare_ros.recording.recorded_poses import PoseChoice

    check_folder(json)
    team = replace(fleet_options.pool_options(workers, address, gpus_per_worker, threads, device),
                   dashboard=dashboard)
    size = options.read_input_size(input_size) if input_size is not None else None
    choose = partial(WorkerModel.choose, device=device, gpus=team.gpus, precision=precision)
    settings = FleetSettings(
        choose(model, input_size=size), output_format.value, topics=topics,
        image_topic=image_topic, camera_info_topic=camera_info_topic,
        camera_matrix=camera_matrix.value, namespace=namespace.strip('/'),
        storage=storage.value if storage else None, copy_input=copy_input, segment=segment,
        warm_up=warm_up, sharing=sharing, shared=recordings.sharing_settings(
            True, temporal_threshold, task_threshold, refresh_period),
        motion=recordings.motion_settings(fusion), threads=team.threads,
        # of its own size, as another network may not take that of the first
        compare=choose(compare) if compare is not None else None,
        pose=PoseChoice(pose_topic or '', pose_frame or ''))
    _report(_run(sources, output, settings, team, overwrite), output, json)


def _run(
    texts: list[str], output: str, settings: 'FleetSettings', team: 'PoolOptions',
    overwrite: bool,
) -> 'Outcome':
    """Compute everything and write the page about it."""
    from mtshare_ros.fleet.outcome import find_outcome
    from mtshare_ros.fleet.output.identity import begin_fleet
    from mtshare_ros.fleet.output.layout import PAGE
    from mtshare_ros.fleet.output.manifest import Manifest
    from mtshare_ros.fleet.output.places import open_place
    from mtshare_ros.fleet.sources.sources import find_sources
    from mtshare_ros.fleet.summary.page import RunFacts, write_summary

    # before the work, as it refuses models that cannot be compared
    facts = RunFacts.of(settings)
    place = open_place(output)
    with place.lock():
        begin_fleet(place, settings.identity(), overwrite=overwrite)
        place.remove_drafts()
        manifest = Manifest.load(place, warn)
        found = find_sources(texts, manifest.names(), warn, output=output)
        warn(f'{len(found):,} recording{"s" if len(found) != 1 else ""}')
        try:
            _compute(settings, place, manifest, found, team)
        except KeyboardInterrupt:
            warn(f'{find_outcome(manifest, found).so_far()}; the same command goes on')
            raise
        # read anew, because workers write rows of their own
        manifest = Manifest.load(place, warn)
        manifest.compact()
        write_summary(place, manifest.rows(), facts)
        typer.echo(f'wrote {place.text}/{PAGE}')
    return find_outcome(manifest, found)

def _compute(
    settings: 'FleetSettings', place: 'Place', manifest: 'Manifest', found: 'Sequence[Source]',
    team: 'PoolOptions',
) -> None:
    """Compute the recordings with a bar that shows how far it is."""
    from mtshare_ros.fleet.pool import Pool
    from mtshare_ros.fleet.run import FleetRun
    from mtshare_ros.fleet.work import MakeWorker

    run = FleetRun(settings, place, manifest, found, warn)
    if run.is_done:
        return
    warn('starting the workers')
    with StopRequest() as stop, Pool(team, MakeWorker(settings, place), warn) as pool:
        if stop.requested:  # while Ray was being started
            raise KeyboardInterrupt
        dashboard = pool.dashboard or 'off, see --dashboard'
        warn(f'workers: {pool.workers}, threads of each: {team.threads}, '
             f"Ray's dashboard: {dashboard}")
        with fleet_progress(None) as bar:
            def show(now: 'Progress') -> None:
                if stop.requested:
                    raise KeyboardInterrupt
                bar.total(now.total)
                bar.update(now.done, now.failures)

            run.run(pool, show)

def _report(outcome: 'Outcome', output: str, json: Path | None) -> None:
    """Print what became of the recordings; end with exit code 1 where something is missing."""
    print_table(f'{output}: {outcome.frames} frames with their maps', ('', ''), (
        ('recordings that are complete', str(outcome.complete)),
        ('damaged, with all that could be read', str(len(outcome.damaged))),
        ('failed', str(len(outcome.failed))),
        ('left out, with the contents of another one', str(outcome.duplicates)),
        ('images that could not be read', str(outcome.skipped)),
    ))
    write_json(json, outcome.values())
    for problem in (*outcome.damaged, *outcome.failed)[:_MOST_PROBLEMS]:
        warn(problem.reason if problem.location in problem.reason else
             f'{problem.location}: {problem.reason}')
    left = len(outcome.damaged) + len(outcome.failed) - _MOST_PROBLEMS
    if left > 0:
        warn(f'{left} more are in {output}/manifest.parquet')
    if outcome.failed or outcome.damaged:
        warn('error: not everything could be computed; the same command tries again what failed')
        raise typer.Exit(1)
