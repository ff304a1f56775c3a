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
from mtshare_ros.cli.options import (
    DeviceOption,
    PrecisionOption,
    RefreshPeriodOption,
    TaskThresholdOption,
    TemporalThresholdOption,
)
from mtshare_ros.cli.output import progress_bar, write_json
from mtshare_ros.cli.real_sheets import Sheets

if TYPE_CHECKING:
    import numpy as np

    from mtshare_ros.inference.engine import Engine
    from mtshare_ros.report.public_files import FoundFile
    from mtshare_ros.report.real_study import Study
    from mtshare_ros.sharing.settings import SharingSettings

PAGE, FIGURES, NOTES = 'real_images.md', 'real_images.json', 'real_images_notes.txt'

EXAMPLES = """
apt-get download opencv-doc && dpkg -x opencv-doc_*.deb opencv
mtshare real --output pages --opencv-doc opencv
mtshare real my.safetensors --output pages --opencv-doc opencv --all-pictures
"""


def real(
    models: Annotated[list[str] | None, typer.Argument(
        metavar='[MODEL]...', help='Models by name or file. Default: all that there are (mtshare '
                                   'models list).')] = None,
    *,
    output: Annotated[Path, typer.Option(
        metavar='DIR', help='Where the page, its figures and its pictures go.')],
    opencv_doc: Annotated[Path, typer.Option(
        metavar='DIR', help='The unpacked package opencv-doc.')] = Path(
            '/usr/share/doc/opencv-doc'),
    frames: Annotated[int, typer.Option(
        min=2, metavar='N', help='Frames of each video.')] = 60,
    input_size: Annotated[str, typer.Option(
        metavar='HEIGHTxWIDTH', help='Pixels of the maps; the motorcycle is measured '
                                     "at the model's own size, too.")] = '336x448',
    all_pictures: Annotated[bool, typer.Option(
        '--all-pictures', help='Make pictures of files, too, whose licence does not plainly '
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
    real_images.json and images/ into DIR: contact sheets, how far off the metres are, and what
    sharing computes on the videos, beside what it costs. What the sheets show, in your words, may
    stand in real_images_notes.txt there.
    """
    from mtshare_ros.file_paths import check_new_folder

    check_new_folder(output)
    material = _find(opencv_doc, frames, all_pictures)
    sharing = options.sharing_settings(
        True, temporal_threshold, task_threshold, refresh_period)
    names = models or _all_models()
    page = _Page(material, sharing)
    for name in names:
        page.add(options.load_network(name, device, precision, input_size, threads), output)
    command = ['mtshare', 'real', *(models or ()), '--output', str(output), '--opencv-doc',
               'opencv', '--frames', str(frames), '--input-size', input_size,
               *_arguments(sharing)]
    page.write(output, shlex.join(command))


def _arguments(sharing: 'SharingSettings') -> Iterator[str]:
    """Yield what the command has to name of the settings: those that are not the usual ones."""
    usual = type(sharing)()
    for name, option in (('temporal_threshold', '--temporal-threshold'),
                         ('task_threshold', '--task-threshold'),
                         ('refresh_period', '--refresh-period')):
        value = getattr(sharing, name)
        if value != getattr(usual, name):
            yield from (option, f'{value:g}')


@dataclass(frozen=True)
class _Material:
    """The public files as they lie here, and how much of them is used."""

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

    def __init__(self, material: _Material, sharing: 'SharingSettings') -> None:
        from mtshare_ros.report.real_study import read_motorcycle

        self._material = material
        self._sharing = sharing
        self._motorcycle = read_motorcycle(material.photographs[0].path.parent)
        self._figures: dict[str, Any] = {}
        self._models: dict[str, Any] = {}
        self._pictures: list[dict[str, Any]] = []

    def add(self, engine: 'Engine', output: Path) -> None:
        """Measure a model and save its sheets."""
        from mtshare_ros.report.real_study import study_model

        name = engine.file.name if engine.file else 'model'
        material = self._material
        sheets = Sheets(output, name, material.frames)
        with progress_bar(name, len(material.clips) * material.frames) as progress:
            self._models[name] = study_model(engine, self._study(sheets, progress))
        self._pictures += sheets.save(engine.labels)
        self._figures = {'device': engine.device, 'input_size': list(engine.input_size),
                         'precision': str(engine.dtype).removeprefix('torch.')}

    def write(self, output: Path, command: str) -> None:
        """Write figures and page."""
        from mtshare_ros.report.page import write_real_page
        from mtshare_ros.report.real_study import constant_depth

        figures = {
            'command': command, **self._figures, 'frames': self._material.frames,
            'sharing': asdict(self._sharing), **_listing(self._material),
            'constant': constant_depth(
                self._motorcycle, self._figures['input_size']), 'pictures': self._pictures,
            'models': self._models}
        write_json(output / FIGURES, figures)
        notes = output / NOTES
        text = notes.read_text(encoding='utf-8') if notes.is_file() else ''
        (output / PAGE).write_text(write_real_page(figures, text), encoding='utf-8')
        typer.echo(f'wrote {output / PAGE}')

    def _study(self, sheets: Sheets, progress: Callable[[int], None]) -> 'Study':
        from mtshare_ros.report.real_study import Study

        shown, numbers = self._material.is_shown, count(1)

        def see_frame(clip: str, frame: Any) -> None:
            progress(next(numbers))
            if shown(clip):
                sheets.see_frame(clip, frame)

        return Study(
            {found.what.name: found.path for found in self._material.photographs},
            self._motorcycle, _clip_readers(self._material), self._sharing,
            lambda name, prediction: sheets.see_photograph(prediction) if shown(name) else None,
            see_frame)


def _find(folder: Path, frames: int, all_pictures: bool) -> _Material:
    from mtshare_ros.report.public_files import (
        find_clips,
        find_photographs,
        photograph_folder,
    )

    return _Material(find_photographs(photograph_folder()), find_clips(folder), frames,
                     all_pictures)


def _listing(material: _Material) -> dict[str, Any]:
    """Return what the files are, as the page tells it."""
    return {
        'files': [{'file': found.what.file, 'shows': found.what.shows,
                   'licence': found.what.licence}
                  for found in (*material.photographs, *material.clips)],
        'clips': {found.what.name: {'shows': found.what.shows} for found in material.clips},
    }


def _clip_readers(
    material: _Material
) -> 'Mapping[str, Callable[[], Iterator[np.ndarray]]]':
    def reader(path: Path) -> 'Callable[[], Iterator[np.ndarray]]':
        return lambda: islice(_read_clip(path), material.frames)

    return {found.what.name: reader(found.path) for found in material.clips}


def _read_clip(path: Path) -> 'Iterator[np.ndarray]':
    """Yield the frames of a video, which may be compressed as Debian does it."""
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
    """Hears what a video does not show, and says nothing: these are known to be whole."""

    def skip(self, line: str) -> None:
        """Hear of a frame that is left out."""

    def note(self, line: str) -> None:
        """Hear of anything else."""


def _all_models() -> list[str]:
    from mtshare_ros.model.manifest import load_catalogue

    return [name for name, _ in load_catalogue()]
