"""``mtshare evaluate``: a model against the truth."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from mtshare_ros.cli import evaluate_options as options
from mtshare_ros.cli.bench_options import read_list
from mtshare_ros.cli.engines import load_engine
from mtshare_ros.cli.evaluate_options import Dataset, Saliency
from mtshare_ros.cli.evaluate_outcome import Outcome
from mtshare_ros.cli.evaluate_sheet import Gallery, SHEET_FRAMES
from mtshare_ros.cli.evaluate_tables import print_outcome
from mtshare_ros.cli.options import (
    DeviceOption,
    JsonOption,
    ModelArgument,
    Motion,
    PrecisionOption,
    SheetOption,
)
from mtshare_ros.cli.output import (
    check_folder,
    check_picture_path,
    save_picture,
    write_json,
)
from mtshare_ros.cli.progress import progress_bar

if TYPE_CHECKING:
    from mtshare_ros.evaluation.clip_evaluation import ClipPlan
    from mtshare_ros.evaluation.datasets import EvaluationSet
    from mtshare_ros.evaluation.scoring import MetricRules
    from mtshare_ros.inference.engine import Engine

EXAMPLES = """
mtshare evaluate default
mtshare evaluate default --split validation --count 32
mtshare evaluate my.safetensors --json figures.json --sheet maps.png
mtshare evaluate default --clips --split validation
mtshare evaluate default --clips --motion drive --temporal-factor 0.5 --sheet drive.png
mtshare evaluate nyud.safetensors --dataset nyud --root ~/data/NYUDv2
mtshare evaluate pascal.safetensors --tasks normals,edge
mtshare evaluate my.safetensors --input-size 480x640 --store
mtshare evaluate default --baseline multi_task.json
mtshare evaluate default --baseline semseg=a.json --baseline depth=b.json
"""


def evaluate(
    model: ModelArgument = 'default',
    dataset: options.DatasetOption = Dataset.ROOMS,
    root: options.RootOption = None,
    split: options.SplitOption = None,
    count: options.CountOption = None,
    clips: options.ClipsOption = False,
    motion: options.MotionOption = None,
    frames: options.FramesOption = None,
    sharing: options.SharingOption = None,
    temporal_factor: options.TemporalOption = None,
    task_factor: options.TaskOption = None,
    refresh_period: options.RefreshOption = None,
    baseline: options.BaselineOption = None,
    input_size: options.InputSizeOption = None,
    tasks: options.TasksOption = None,
    edge_thresholds: options.ThresholdsOption = None,
    saliency: options.SaliencyOption = Saliency.PROBABILITY,
    store: options.StoreOption = False,
    device: DeviceOption = 'auto',
    precision: PrecisionOption = 'auto',
    json: JsonOption = None,
    sheet: SheetOption = None,
) -> None:
    """
    Measure how good a model is, against the truth.

    Compares every map with its ground truth, errors pooled over all pixels of all images that no
    model was trained on; with --clips dense and with sharing, frame by frame. Rooms are rendered,
    their truth is exact, and the same command gives the same figures; they are easier than real
    rooms, so figures do not carry over. On nyud and pascal the definitions are the literature's.
    """
    from mtshare_ros.evaluation.clip_evaluation import evaluate_clips
    from mtshare_ros.evaluation.scorer import read_baseline

    check_folder(json)
    check_picture_path(sheet)
    ways = options.Ways.of(clips, sharing, temporal_factor, task_factor, refresh_period)
    options.check_store(store, ways)
    data = _open(ways, dataset.value, root, split and split.value, count, motion, frames)
    engine = load_engine(model, device, precision, options.size_for(dataset, input_size, model))
    plan = _plan(engine, data, ways, tasks, options.rules_for(dataset, edge_thresholds, saliency))
    against = read_baseline(baseline or (), plan.tasks, {
        **data.origin, 'input_size': list(engine.input_size)})
    gallery = Gallery(data.length, SHEET_FRAMES if sheet is not None else 0)
    with progress_bar('evaluating', data.length) as progress:
        report = evaluate_clips(engine, data.clips, plan, observe=gallery.see, progress=progress)
    outcome = Outcome(engine, data, plan, report, against)
    print_outcome(outcome)
    _keep(outcome, gallery, store, json, sheet)


def _open(
    ways: options.Ways, dataset: str, root: Path | None, split: str | None, count: int | None,
    motion: Motion | None, frames: int | None,
) -> 'EvaluationSet':
    from mtshare_ros.evaluation.datasets import open_clips, open_images

    if ways.clips:
        return open_clips(dataset, root, split, count, motion and motion.value, frames)
    options.refuse_for_images(motion, frames)
    return open_images(dataset, root, split, count)


def _plan(
    engine: 'Engine', data: 'EvaluationSet', ways: options.Ways, tasks: str | None,
    rules: 'MetricRules',
) -> 'ClipPlan':
    """Return what to compute; refuse a model that does not fit the data."""
    from mtshare_ros.evaluation.clip_evaluation import ClipPlan, delta_blocks
    from mtshare_ros.evaluation.datasets import tasks_to_score
    from mtshare_ros.model.checkpoint import load_checkpoint
    from mtshare_ros.tasks import TASKS

    wanted = None if tasks is None else read_list('--tasks', tasks, TASKS)
    scored = tasks_to_score(engine, data, wanted)
    if ways.sharing is None or engine.file is None:
        return ClipPlan(scored, sharing=None, rules=rules)
    blocks = delta_blocks(load_checkpoint(engine.file.path).network)
    return ClipPlan(scored, ways.dense, ways.sharing, blocks, rules, activity=True)


def _keep(
    outcome: Outcome, gallery: Gallery, store: bool, json: Path | None, sheet: Path | None
) -> None:
    if store:
        _store(outcome)
    if json is not None:
        write_json(json, outcome.values())
    if sheet is not None:
        save_picture(sheet, gallery.draw(outcome.engine.labels))


def _store(outcome: Outcome) -> None:
    """Put the dense figures beside the model, where whatever runs it at this size finds them."""
    from mtshare_ros.model.quality import main_figures, SizeQuality, store_quality

    if outcome.engine.file is None:
        return
    found = SizeQuality(outcome.engine.input_size, main_figures(outcome.metrics['dense']),
                        f'{outcome.seen} of {outcome.data.dataset}, {outcome.data.split}')
    typer.echo(f'stored in {store_quality(outcome.engine.file, found)}')
