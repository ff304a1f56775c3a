"""``mtshare real``: models on photographs and videos of the real world, as a page."""

from dataclasses import asdict, dataclass
import gzip
from itertools import count, islice
from pathlib import Path
import shlex
import shutil
import tempfile
from typing import Annotated, Any, Callable, Iterator, Mapping, Sequence, TYPE_CHECKING

import typer

from mtshare_ros.cli import recordings as options
from mtshare_ros.cli.evaluate_outcome import maps_of, shown_activity
from mtshare_ros.cli.options import (
    DeviceOption,
    PrecisionOption,
    RefreshPeriodOption,
    TaskThresholdOption,
    TemporalThresholdOption,
)
from mtshare_ros.cli.output import progress_bar, write_json

if TYPE_CHECKING:
    import numpy as np

    from mtshare_ros.inference.contact_sheet import SheetRow
    from mtshare_ros.inference.engine import Engine
    from mtshare_ros.inference.prediction import Prediction
    from mtshare_ros.report.public_files import FoundFile
    from mtshare_ros.report.real_clips import ComputedFrame
    from mtshare_ros.report.real_study import Study
    from mtshare_ros.sharing.sharing_settings import SharingSettings
    from mtshare_ros.tasks import LabelSet

PAGE, METRICS, NOTES = 'real_images.md', 'real_images.json', 'real_images_notes.txt'
PHOTOGRAPHS = 'photographs'
_CLIP_ROWS = 3
_WIDTH = 1400
_QUALITY = 88

EXAMPLES = """
apt-get download opencv-doc && dpkg -x opencv-doc_*.deb opencv
mtshare real --output pages --opencv-doc opencv
mtshare real my.safetensors --output pages --opencv-doc opencv --all-pictures
"""


def real(
    models: Annotated[list[str] | None, typer.Argument(
        metavar='[MODEL]...', help='Models by name or file. Default: all models (mtshare models '
                                   'list).')] = None,
    *,
    output: Annotated[Path, typer.Option(
        metavar='DIR', help='Where the page, its metrics and its pictures go.')],
    opencv_doc: Annotated[Path, typer.Option(
        metavar='DIR', help='The unpacked package opencv-doc.')] = Path(
            '/usr/share/doc/opencv-doc'),
    frames: Annotated[int, typer.Option(
        min=2, metavar='N', help='Frames of each video.')] = 60,
    input_size: Annotated[str, typer.Option(
        metavar='HEIGHTxWIDTH', help='Pixels of the maps; the motorcycle is measured '
                                     "at the model's own size, too.")] = '336x448',
    all_pictures: Annotated[bool, typer.Option(
        '--all-pictures', help='Make pictures of files, too, whose licence does not clearly '
                               'allow to publish them.')] = False,
    temporal_threshold: TemporalThresholdOption = 1.0,
    task_threshold: TaskThresholdOption = 1.0,
    refresh_period: RefreshPeriodOption = 30,
    device: DeviceOption = 'auto',
    precision: PrecisionOption = 'auto',
    threads: options.ThreadsOption = None,
) -> None:
    """
    Show and measure models on photographs and videos of the real world.

    The files are public: photographs of scikit-image (pip install 'mtshare_ros[train]'), one of
    them with measured depth, and videos of the Debian package opencv-doc. Writes real_images.md,
    real_images.json and images/ into DIR: contact sheets, the error of the metres, and what
    sharing computes on the videos and how much it changes the maps. Your own description of the
    sheets in real_images_notes.txt there becomes a part of the page.
    """
    from mtshare_ros.file_paths import check_new_folder

    check_new_folder(output)
    data = _find(opencv_doc, frames, all_pictures)
    sharing = options.sharing_settings(
        True, temporal_threshold, task_threshold, refresh_period)
    names = models or _all_models()
    page = _Page(data, sharing)
    for name in names:
        page.add(options.load_network(name, device, precision, input_size, threads), output)
    command = ['mtshare', 'real', *(models or ()), '--output', str(output), '--opencv-doc',
               'opencv', '--frames', str(frames), '--input-size', input_size,
               *_arguments(sharing)]
    page.write(output, shlex.join(command))


def _arguments(sharing: 'SharingSettings') -> Iterator[str]:
    """Yield the options of settings that differ from their defaults."""
    usual = type(sharing)()
    for name, option in (('temporal_threshold', '--temporal-threshold'),
                         ('task_threshold', '--task-threshold'),
                         ('refresh_period', '--refresh-period')):
        value = getattr(sharing, name)
        if value != getattr(usual, name):
            yield from (option, f'{value:g}')


class _Sheets:
    """
    Contact sheets of one model: the photographs, and some frames of every clip, evenly spread.

    ``frames`` is how many a clip has. A frame has two rows: the maps computed whole beside the
    image, and the maps with sharing beside what was recomputed.
    """

    def __init__(self, folder: Path, model: str, frames: int) -> None:
        self._folder = folder
        self._model = model
        count = min(_CLIP_ROWS, frames - 1)
        self._places = {1 + number * (frames - 1) // count for number in range(count)}
        self._passed: dict[str, int] = {}
        self._rows: dict[str, list['SheetRow']] = {}

    def see_photograph(self, prediction: 'Prediction') -> None:
        """Add a photograph with its maps."""
        self._add(PHOTOGRAPHS, prediction)

    def see_frame(self, clip: str, frame: 'ComputedFrame') -> None:
        """Count a frame of a clip, and add it if it is one of those that are shown."""
        number = self._passed.get(clip, 0)
        self._passed[clip] = number + 1
        if number in self._places:
            self._add(clip, frame.dense)
            self._add(clip, frame.shared, shown_activity(frame.shared))

    def save(self, labels: 'LabelSet') -> list[dict[str, Any]]:
        """Save the sheets; return for each what it shows, the model, and its file."""
        from PIL import Image

        from mtshare_ros.inference.contact_sheet import draw_contact_sheet

        listing = []
        for kind, rows in self._rows.items():
            file = f'images/real_{kind}_{self._model}.jpg'
            path = self._folder / file
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(draw_contact_sheet(rows, labels, width=_WIDTH)).save(
                path, quality=_QUALITY)
            typer.echo(f'wrote {path}')
            listing.append({'shows': kind, 'model': self._model, 'file': file})
        return listing

    def _add(
        self, kind: str, prediction: 'Prediction', shown: 'np.ndarray | None' = None
    ) -> None:
        from mtshare_ros.inference.contact_sheet import SheetMaps, SheetRow

        if prediction.image is not None:
            self._rows.setdefault(kind, []).append(SheetRow(
                prediction.image.copy(), SheetMaps(), maps_of(prediction), shown))


@dataclass(frozen=True)
class _Data:
    """The public files on this machine, and how many frames of the clips are used."""

    photographs: 'Sequence[FoundFile]'
    clips: 'Sequence[FoundFile]'
    frames: int
    all_pictures: bool

    def is_shown(self, name: str) -> bool:
        """Whether pictures are made of a file."""
        return self.all_pictures or name in {
            found.what.name for found in (*self.photographs, *self.clips) if found.what.shared}


class _Page:
    """Measures one model after the other, and writes the page of all."""

    def __init__(self, data: _Data, sharing: 'SharingSettings') -> None:
        from mtshare_ros.report.real_study import read_motorcycle

        self._data = data
        self._sharing = sharing
        self._motorcycle = read_motorcycle(data.photographs[0].path.parent)
        self._metrics: dict[str, Any] = {}
        self._models: dict[str, Any] = {}
        self._pictures: list[dict[str, Any]] = []

    def add(self, engine: 'Engine', output: Path) -> None:
        """Measure a model and save its sheets."""
        from mtshare_ros.report.real_study import study_model

        name = engine.file.name if engine.file else 'model'
        data = self._data
        sheets = _Sheets(output, name, data.frames)
        with progress_bar(name, len(data.clips) * data.frames) as progress:
            self._models[name] = study_model(engine, self._study(sheets, progress))
        self._pictures += sheets.save(engine.labels)
        self._metrics = {'device': engine.device, 'input_size': list(engine.input_size),
                         'precision': str(engine.dtype).removeprefix('torch.')}

    def write(self, output: Path, command: str) -> None:
        """Write the JSON file and the page."""
        from mtshare_ros.report.page import write_real_page
        from mtshare_ros.report.real_study import constant_depth

        values = {
            'command': command, **self._metrics, 'frames': self._data.frames,
            'sharing': asdict(self._sharing), **_listing(self._data),
            'constant': constant_depth(
                self._motorcycle, self._metrics['input_size']), 'pictures': self._pictures,
            'models': self._models}
        write_json(output / METRICS, values)
        notes = output / NOTES
        text = notes.read_text(encoding='utf-8') if notes.is_file() else ''
        (output / PAGE).write_text(write_real_page(values, text), encoding='utf-8')
        typer.echo(f'wrote {output / PAGE}')

    def _study(self, sheets: _Sheets, progress: Callable[[int], None]) -> 'Study':
        from mtshare_ros.report.real_study import Study

        shown, numbers = self._data.is_shown, count(1)

        def see_frame(clip: str, frame: Any) -> None:
            progress(next(numbers))
            if shown(clip):
                sheets.see_frame(clip, frame)

        return Study(
            {found.what.name: found.path for found in self._data.photographs},
            self._motorcycle, _clip_readers(self._data), self._sharing,
            lambda name, prediction: sheets.see_photograph(prediction) if shown(name) else None,
            see_frame)


def _find(folder: Path, frames: int, all_pictures: bool) -> _Data:
    from mtshare_ros.report.public_files import (
        find_clips,
        find_photographs,
        photograph_folder,
    )

    return _Data(find_photographs(photograph_folder()), find_clips(folder), frames,
                     all_pictures)


def _listing(data: _Data) -> dict[str, Any]:
    """Return the files and what they show, for the page."""
    return {
        'files': [{'file': found.what.file, 'shows': found.what.shows,
                   'licence': found.what.licence}
                  for found in (*data.photographs, *data.clips)],
        'clips': {found.what.name: {'shows': found.what.shows} for found in data.clips},
    }


def _clip_readers(
    data: _Data
) -> 'Mapping[str, Callable[[], Iterator[np.ndarray]]]':
    def reader(path: Path) -> 'Callable[[], Iterator[np.ndarray]]':
        return lambda: islice(_read_clip(path), data.frames)

    return {found.what.name: reader(found.path) for found in data.clips}


def _read_clip(path: Path) -> 'Iterator[np.ndarray]':
    """Yield the frames (H, W, 3) of a video, which Debian may have packed with gzip."""
    import numpy as np

    from mtshare_ros.recording.frame_sources import open_source

    with tempfile.TemporaryDirectory(prefix='mtshare_real_') as folder:
        if path.suffix == '.gz':
            with gzip.open(path) as packed, (Path(folder) / path.stem).open('wb') as plain:
                shutil.copyfileobj(packed, plain)
            path = Path(folder) / path.stem
        for frame in open_source([str(path)]).read(_Quiet()):
            yield np.asarray(frame.picture)


class _Quiet:
    """Ignores messages of a reader about damaged frames: these videos are known to have none."""

    def skip(self, line: str) -> None:
        """Ignore that a frame is left out."""

    def note(self, line: str) -> None:
        """Ignore any other message."""


def _all_models() -> list[str]:
    from mtshare_ros.model.manifest import load_catalogue

    return [name for name, _ in load_catalogue()]
