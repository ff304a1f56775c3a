"""``mtshare evaluate``: a model against the truth."""

from pathlib import Path
from typing import Annotated, Sequence, TYPE_CHECKING

import typer

from mtshare_ros.cli.evaluate_outcome import Gallery, Outcome, print_outcome, SHEET_FRAMES
from mtshare_ros.cli.evaluate_settings import (
    Dataset,
    rules_for,
    Saliency,
    Sharing,
    sharing_settings,
    size_for,
    Split,
)
from mtshare_ros.cli.fleet_options import (
    AddressOption,
    fleet_of,
    FleetOption,
    WorkerGpusOption,
    WorkersOption,
    WorkerThreadsOption,
)
from mtshare_ros.cli.fleet_progress import fleet_progress
from mtshare_ros.cli.fleet_workers import ModelChoice, Workers
from mtshare_ros.cli.options import (
    DeviceOption,
    input_size_option,
    JsonOption,
    ModelArgument,
    motion_option,
    MOTIONS_HELP,
    offer_task_list,
    PrecisionOption,
    read_list,
    REFRESH_PERIOD,
    SheetOption,
    TASK_THRESHOLD,
    TEMPORAL_THRESHOLD,
)
from mtshare_ros.cli.output import (
    check_folder,
    check_picture_path,
    command_line,
    progress_bar,
    save_picture,
    warn,
    write_json,
)
from mtshare_ros.errors import ConfigError

if TYPE_CHECKING:
    from mtshare_ros.evaluation.clip_evaluation import ClipPlan
    from mtshare_ros.evaluation.datasets import EvaluationSet
    from mtshare_ros.evaluation.truth_and_rules import MetricRules
    from mtshare_ros.fleet.evaluation_worker import FleetReport
    from mtshare_ros.inference.engine import Engine
    from mtshare_ros.sharing.sharing_settings import SharingSettings


DatasetOption = Annotated[Dataset, typer.Option(
    help='rooms: rendered on this machine, nothing to download. nyud, pascal: NYUD-v2 and '
         'PASCAL-Context as prepared by the multi-task literature. folder: your own.')]
RootOption = Annotated[Path | None, typer.Option(
    metavar='DIR', help='The folder of the data set; rooms have none.')]
SplitOption = Annotated[Split | None, typer.Option(
    help='validation is for choosing, test for the final result. Default: test for rooms, '
         'validation for the others.')]
CountOption = Annotated[int | None, typer.Option(
    '--count', '--views', min=1, metavar='N',
    help='Only this many images or clips.')]
InputSizeOption = Annotated[str | None, input_size_option(
    'the nearest to 448x576 for nyud and 512x512 for pascal, else the size of the model')]
ThresholdsOption = Annotated[int | None, typer.Option(
    min=1, metavar='N', help='Thresholds of odsF (nyud, pascal) beside 0.001 and 0.999: 20 by '
                             'default, which is quick; 99 for results to be published.')]
TasksOption = Annotated[str | None, typer.Option(
    metavar='TASK,...', autocompletion=offer_task_list,
    help='Only these tasks; without semseg the model may have other classes than the data.')]
SaliencyOption = Annotated[Saliency, typer.Option(
    help='What is compared with the thresholds: the probability, or, as the evaluation of InvPT '
         'and many publications, its sigmoid.')]
StoreOption = Annotated[bool, typer.Option(
    '--store', help='Keep the main metrics beside the model, in NAME.quality.json; commands that '
                    'run it at this size print them.')]
ClipsOption = Annotated[bool, typer.Option(
    '--clips', help='Clips instead of single images: what sharing saves, and what it costs.')]
MotionOption = Annotated[str | None, motion_option(
    f'Clips of rooms: how the camera moves: {MOTIONS_HELP}. Default: the first four in turn.')]
FramesOption = Annotated[int | None, typer.Option(
    min=2, metavar='N', help='Clips of rooms: frames of each at 30 Hz, 64 by default.')]
SharingOption = Annotated[Sharing | None, typer.Option(
    help='Clips: with sharing, dense, or both in one run, which is the default. Single images '
         'are always dense: they have no earlier frame.')]
BaselineOption = Annotated[list[str] | None, typer.Option(
    metavar='[TASK=]FILE', help='Compare with the JSON report of another model; several times, '
                                'with TASK=, for reports of single-task networks.')]


EXAMPLES = """
mtshare evaluate default
mtshare evaluate default --split validation --count 32
mtshare evaluate my.safetensors --json metrics.json --sheet maps.png
mtshare evaluate default --clips --split validation
mtshare evaluate default --clips --motion drive --temporal-threshold 0.5 --sheet drive.png
mtshare evaluate nyud.safetensors --dataset nyud --root ~/data/NYUDv2
mtshare evaluate pascal.safetensors --tasks normals,edge
mtshare evaluate my.safetensors --input-size 480x640 --store
mtshare evaluate nyud.safetensors --dataset nyud --root ~/data/NYUDv2 --fleet
mtshare evaluate default --clips --fleet --workers 6 --threads 2
mtshare evaluate default --baseline multi_task.json
mtshare evaluate default --baseline semseg=a.json --baseline depth=b.json
"""


def evaluate(
    model: ModelArgument = 'default',
    dataset: DatasetOption = Dataset.ROOMS, root: RootOption = None,
    split: SplitOption = None, count: CountOption = None,
    clips: ClipsOption = False, motion: MotionOption = None, frames: FramesOption = None,
    sharing: SharingOption = None,
    temporal_threshold: Annotated[float | None, TEMPORAL_THRESHOLD] = None,
    task_threshold: Annotated[float | None, TASK_THRESHOLD] = None,
    refresh_period: Annotated[int | None, REFRESH_PERIOD] = None,
    baseline: BaselineOption = None, input_size: InputSizeOption = None,
    tasks: TasksOption = None, edge_thresholds: ThresholdsOption = None,
    saliency: SaliencyOption = Saliency.PROBABILITY, store: StoreOption = False,
    device: DeviceOption = 'auto', precision: PrecisionOption = 'auto',
    fleet: FleetOption = False, workers: WorkersOption = None, address: AddressOption = None,
    gpus_per_worker: WorkerGpusOption = None, threads: WorkerThreadsOption = None,
    json: JsonOption = None, sheet: SheetOption = None,
) -> None:
    """
    Measure how good a model is, against the truth.

    Compares every map with its ground truth, errors pooled over all pixels of all images that no
    model was trained on; with --clips dense and with sharing, frame by frame. Rooms are rendered,
    their truth is exact, and the same command gives the same metrics; they are easier than real
    rooms, so metrics on real images are worse. Metrics of nyud and pascal are the literature's.
    """
    from mtshare_ros.evaluation.datasets import open_clips, open_images

    check_folder(json)
    check_picture_path(sheet)
    if not clips:
        _refuse_for_images(motion, frames, None if sharing is Sharing.OFF else sharing,
                           temporal_threshold, task_threshold, refresh_period)
    _check_store(store, sharing)
    settings = None if not clips or sharing is Sharing.OFF else sharing_settings(
        temporal_threshold, task_threshold, refresh_period)
    pool = fleet_of(
        fleet, workers, address, gpus_per_worker, threads, device)
    # the current folder of workers is another one
    parts = dataset.value, root.absolute() if pool and root else root, split and split.value, count
    data = open_clips(*parts, motion, frames) if clips else open_images(*parts)
    choice = ModelChoice(model, device, precision, size_for(dataset, input_size, model))
    team = choice.workers(pool)
    engine = choice.load(team)
    plan = _plan(engine, data, tasks, sharing is not Sharing.ON, settings,
                 rules_for(dataset, edge_thresholds, saliency))
    gallery = Gallery(data.length, SHEET_FRAMES if sheet else 0)
    outcome = _measure(engine, data, plan, baseline or (), gallery, team)
    print_outcome(outcome)
    _write(outcome, gallery, store, json, sheet)


def _write(
    outcome: Outcome, gallery: Gallery, store: bool, json: Path | None, sheet: Path | None
) -> None:
    """Write the files that were asked for."""
    if store:
        _store(outcome)
    if json is not None:
        write_json(json, {'command': command_line(), **outcome.values()})
    if sheet is not None:
        save_picture(sheet, gallery.draw(outcome.engine.labels))


def _store(outcome: Outcome) -> None:
    """Write the dense metrics beside the model; what runs it at this size prints them."""
    from mtshare_ros.model.quality import main_figures, SizeQuality, store_quality

    if outcome.engine.file is None:
        return
    found = SizeQuality(outcome.engine.input_size, main_figures(outcome.metrics['dense']),
                        f'{outcome.seen} of {outcome.data.dataset}, {outcome.data.split}')
    typer.echo(f'stored in {store_quality(outcome.engine.file, found)}')


def _plan(
    engine: 'Engine', data: 'EvaluationSet', tasks: str | None, dense: bool,
    sharing: 'SharingSettings | None', rules: 'MetricRules',
) -> 'ClipPlan':
    """Return what to compute; raise ConfigError for a model that does not fit the data."""
    from mtshare_ros.evaluation.activity import delta_blocks
    from mtshare_ros.evaluation.clip_evaluation import ClipPlan
    from mtshare_ros.evaluation.datasets import tasks_to_score
    from mtshare_ros.model.checkpoint import load_checkpoint
    from mtshare_ros.tasks import TASKS

    wanted = None if tasks is None else read_list('--tasks', tasks, TASKS)
    scored = tasks_to_score(engine, data, wanted)
    if sharing is None or engine.file is None:
        return ClipPlan(scored, sharing=None, rules=rules)
    blocks = delta_blocks(load_checkpoint(engine.file.path).network)
    return ClipPlan(scored, dense, sharing, blocks, rules, activity=True)


def _measure(
    engine: 'Engine', data: 'EvaluationSet', plan: 'ClipPlan', baselines: Sequence[str],
    gallery: Gallery, workers: Workers | None,
) -> Outcome:
    """Evaluate here or with workers; ``gallery`` gets the frames of the contact sheet."""
    from mtshare_ros.evaluation.clip_evaluation import evaluate_clips
    from mtshare_ros.evaluation.scorer import read_baseline

    baseline = read_baseline(baselines, plan.tasks, {
        **data.origin, 'input_size': list(engine.input_size)})
    if workers is not None:
        found = _measure_on_fleet(workers, engine, data, plan, gallery)
        return Outcome(engine, data, plan, found.report, baseline, found.computed_with)
    with progress_bar('evaluating', data.length) as progress:
        report = evaluate_clips(engine, data.clips, plan, observe=gallery.see, progress=progress)
    return Outcome(engine, data, plan, report, baseline)


def _measure_on_fleet(
    workers: Workers, engine: 'Engine', data: 'EvaluationSet', plan: 'ClipPlan', gallery: Gallery
) -> 'FleetReport':
    """Evaluate with workers; ``engine`` is the same model in this process."""
    from mtshare_ros.evaluation.clip_evaluation import ScoredFrames
    from mtshare_ros.fleet.evaluation_worker import evaluate_with, EvaluationWorkers
    from mtshare_ros.fleet.pool import Pool

    work = EvaluationWorkers(workers.model, tuple(data.clips), plan, gallery.places)
    with Pool(workers.options, work, warn) as pool, fleet_progress(data.length) as progress:
        return evaluate_with(pool, work, ScoredFrames.none(engine, plan), observe=gallery.see,
                             progress=progress.update)


def _refuse_for_images(*options: object) -> None:
    """Refuse options that only clips have; what was not given is None."""
    if any(option is not None for option in options):
        raise ConfigError(
            '--motion, --frames, --sharing, --temporal-threshold, --task-threshold and '
            '--refresh-period are for clips; add --clips. Single images are always dense: sharing '
            'takes from earlier frames, and they have none')


def _check_store(store: bool, sharing: Sharing | None) -> None:
    """Refuse to store what is not the quality of the network itself."""
    if store and sharing is Sharing.ON:
        raise ConfigError('--store keeps the metrics of dense frames, and --sharing on computes '
                          'none; leave one of them out')
