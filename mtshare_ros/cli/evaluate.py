"""``mtshare evaluate``: a model against the truth."""

from enum import Enum
from typing import Annotated, Any, Iterable, Iterator, TYPE_CHECKING

import typer

from mtshare_ros.cli.engines import load_engine
from mtshare_ros.cli.options import (
    DeviceOption,
    JsonOption,
    ModelArgument,
    PrecisionOption,
    SheetOption,
)
from mtshare_ros.cli.output import (
    check_folder,
    check_picture_path,
    print_table,
    progress_bar,
    save_picture,
    write_json,
)

if TYPE_CHECKING:
    from mtshare_ros.data.rooms.frame import RoomFrame
    from mtshare_ros.inference.engine import Engine

EXAMPLES = """
mtshare evaluate default
mtshare evaluate default --split validation --views 32
mtshare evaluate my.safetensors --json figures.json --sheet maps.png
"""

SHEET_ROWS = 8

FIGURES = {
    ('semseg', 'miou'): ('mean IoU over the classes present', '%', 'up'),
    ('semseg', 'pixel_accuracy'): ('pixel accuracy', '%', 'up'),
    ('semseg', 'classes'): ('classes present', '', ''),
    ('depth', 'rmse'): ('root mean square error', 'm', 'down'),
    ('depth', 'abs_rel'): ('mean |error| / truth', '', 'down'),
    ('depth', 'delta1'): ('within a factor of 1.25', '%', 'up'),
    ('normals', 'mean'): ('mean angle', 'deg', 'down'),
    ('normals', 'median'): ('median angle', 'deg', 'down'),
    ('normals', 'within_11_25'): ('within 11.25 degrees', '%', 'up'),
    ('normals', 'within_22_5'): ('within 22.5 degrees', '%', 'up'),
    ('normals', 'within_30'): ('within 30 degrees', '%', 'up'),
    ('edge', 'f'): ('boundary F, 2 pixels', '%', 'up'),
    ('edge', 'threshold'): ('threshold of the best F', '', ''),
}
"""How each figure is called, its unit, and which way is better."""


class Dataset(str, Enum):
    """What a model can be measured on."""

    ROOMS = 'rooms'


class Split(str, Enum):
    """Parts of a data set that no model was trained on."""

    VALIDATION = 'validation'
    TEST = 'test'


def evaluate(
    model: ModelArgument = 'default',
    dataset: Annotated[Dataset, typer.Option(
        help='rooms: rendered here and now, nothing to download.')] = Dataset.ROOMS,
    split: Annotated[Split, typer.Option(
        help='validation is for choosing, test for the final figure.')] = Split.TEST,
    views: Annotated[int | None, typer.Option(
        min=1, metavar='N', help='Only this many views, spread over the rooms.')] = None,
    device: DeviceOption = 'auto',
    precision: PrecisionOption = 'auto',
    json: JsonOption = None,
    sheet: SheetOption = None,
) -> None:
    """
    Measure how good a model is, against the truth.

    Renders the fixed views of a split, which no model was trained on, and compares every map with
    its exact ground truth. Errors are pooled over all pixels of all views. The same command gives
    the same figures. Rendered rooms are easier than real ones: figures do not carry over.
    """
    from mtshare_ros.evaluation.rooms import fixed_views

    check_folder(json)
    check_picture_path(sheet)
    chosen = fixed_views(split.value, views)
    engine = load_engine(model, device, precision)
    gallery = _Gallery(len(chosen), SHEET_ROWS if sheet is not None else 0)
    metrics = _measure(engine, chosen, gallery)
    name = engine.file.name if engine.file else model
    _print_metrics(f'{name} on {len(chosen)} views, {dataset.value} {split.value}', metrics)
    if json is not None:
        write_json(json, {
            'metrics': metrics, 'model': name, 'dataset': dataset.value, 'split': split.value,
            'views': len(chosen), 'sha256': engine.file.sha256 if engine.file else None,
            'device': engine.device, 'input_size': engine.input_size,
        })
    if sheet is not None:
        save_picture(sheet, gallery.draw(engine))


def _measure(engine: 'Engine', views: list[Any], gallery: '_Gallery') -> dict[str, dict]:
    from mtshare_ros.evaluation.evaluate import evaluate as evaluate_frames
    from mtshare_ros.evaluation.rooms import render_fixed_views

    frames = render_fixed_views(views, size=engine.input_size)
    with progress_bar('evaluating', len(views)) as progress:
        return evaluate_frames(engine, gallery.watch(frames), progress=progress)


def _print_metrics(title: str, metrics: dict[str, dict[str, float]]) -> None:
    better_is = {'up': 'higher', 'down': 'lower', '': ''}
    rows = []
    for (task, key), (text, unit, better) in FIGURES.items():
        if task in metrics:
            value = metrics[task][key]
            figure = f'{value:d}' if isinstance(value, int) else f'{value:.3f}'
            rows.append((f'{task}: {text}', figure, unit, better_is[better]))
    print_table(title, ('figure', 'value', 'unit', 'better'), rows)


class _Gallery:
    """Keeps some of the frames that pass by, evenly spread, for the contact sheet."""

    def __init__(self, passing: int, wanted: int) -> None:
        wanted = min(passing, wanted)
        self._places = {number * passing // wanted for number in range(wanted)}
        self._frames: list['RoomFrame'] = []

    def watch(self, frames: Iterable['RoomFrame']) -> Iterator['RoomFrame']:
        """Pass the frames on."""
        for place, frame in enumerate(frames):
            if place in self._places:
                self._frames.append(frame)
            yield frame

    def draw(self, engine: 'Engine') -> Any:
        """Return the sheet of the kept frames."""
        from mtshare_ros.inference.contact_sheet import draw_contact_sheet, SheetMaps, SheetRow

        rows = []
        for frame in self._frames:
            found = engine.infer(frame.image)
            rows.append(SheetRow(
                frame.image, SheetMaps(frame.labels, frame.depth, frame.normals, frame.edges),
                SheetMaps(found.mask, found.depth, found.normals, found.edges)))
        return draw_contact_sheet(rows, engine.labels)
