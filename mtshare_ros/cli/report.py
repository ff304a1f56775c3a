"""``mtshare report``: a page with the metrics of the networks of a recipe."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, TYPE_CHECKING

import typer

from mtshare_ros.cli.output import check_folder
from mtshare_ros.errors import ConfigError

if TYPE_CHECKING:
    from mtshare_ros.report.results import ReportPlan

EXAMPLES = """
mtshare report docs/results --recipe config/train/rooms.yaml --output docs/results.md
"""


def report(
    folder: Annotated[Path, typer.Argument(
        metavar='FOLDER',
        help='The metrics, NAME.json each: images/, sizes/ and clips/ (mtshare evaluate), info/ '
             '(mtshare models info), bench/ (mtshare bench). Yours: notes.md, images_seen.json '
             'for networks that were trained on other numbers of images than in the recipe.')],
    recipe: Annotated[Path, typer.Option(
        metavar='FILE', help='What the networks were trained with, such as config/train/*.yaml.')],
    output: Annotated[Path, typer.Option(
        metavar='FILE.md', help='The page; one that exists is replaced.')],
) -> None:
    """
    Write the results of a recipe as a page, from the files of its metrics.

    In images/ a file is named after the network: initial, shared (the model of all tasks), or a
    stage such as semseg-base, depth-delta-tune, depth-single-task, multi-task. In clips/ the name
    of the clips follows: shared-validation, shared-test-static; in sizes/ that of the input size:
    shared-480x640. The page says of what is missing that it was not measured. It shows the
    pictures images/results_views.png and images/results_clip.png, if they are beside it.
    """
    check_folder(output)
    text = report_text(folder, recipe, output)
    try:
        output.write_text(text, encoding='utf-8')
    except OSError as error:
        raise ConfigError(f'{output}: cannot be written: {error.strerror}') from error
    typer.echo(f'wrote {output}')


def report_text(folder: Path, recipe: Path, output: Path) -> str:
    """Return the page; raise ConfigError where files are missing, damaged or of other data."""
    from mtshare_ros.report.page import write_report
    from mtshare_ros.report.results import read_results

    return write_report(read_results(folder), _plan(folder, recipe, output))


def _plan(folder: Path, recipe: Path, output: Path) -> 'ReportPlan':
    from mtshare_ros.cli.bench_tables import CONTENDER_TEXTS
    from mtshare_ros.config import require
    from mtshare_ros.report.page import PICTURES
    from mtshare_ros.report.results import read_values, ReportPlan, TrainedRun
    from mtshare_ros.training.recipe import load_recipe, runs_of
    from mtshare_ros.training.stage_config import MULTI, SINGLE

    trained = load_recipe(recipe)
    require(trained.data.name == 'rooms', f'{recipe}: data.name', trained.data.name,
            'rooms: the targets of a report are for rooms')
    runs = tuple(
        TrainedRun(run.folder, run.stage.name, run.trained, run.images, run.images_in_all,
                   baseline=run.stage.role in (SINGLE, MULTI))
        for run in runs_of(trained, 'all'))
    path = folder / 'images_seen.json'
    seen = read_values(path) if path.is_file() else {}
    runs = tuple(replace(run, images=seen[run.name], images_in_all=seen[run.name])
                 if run.baseline and run.name in seen else run for run in runs)
    pictures = {name: f'images/{name}' for name in PICTURES
                if (output.parent / 'images' / name).is_file()}
    return ReportPlan(recipe.as_posix(), folder.as_posix(), output.as_posix(), trained.tasks,
                      runs, trained.initial, CONTENDER_TEXTS, pictures)
