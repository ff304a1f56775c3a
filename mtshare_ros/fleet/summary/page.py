"""The page about a fleet: what to show of a manifest, and the pictures that go with it."""

from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Iterable, Mapping

from mtshare_ros import __version__
from mtshare_ros.fleet.output.layout import PAGE, PICTURES
from mtshare_ros.fleet.output.manifest_rows import DONE, DUPLICATE, FAILED, ManifestRow
from mtshare_ros.fleet.output.places import Place
from mtshare_ros.fleet.settings import FleetSettings
from mtshare_ros.fleet.summary.comparable import Comparable, NamedModel
from mtshare_ros.fleet.summary.comparison_section import comparison_section
from mtshare_ros.fleet.summary.map_sections import classes_section, cost_section, depth_section
from mtshare_ros.fleet.summary.outliers import find_outliers, RULE
from mtshare_ros.fleet.summary.recording_sections import problem_section, recordings_section
from mtshare_ros.fleet.summary.recording_totals import add_up, FleetTotals, UNFINISHED
from mtshare_ros.fleet.summary.texts import bytes_text, counted, hours, PicturesOf
from mtshare_ros.fleet.worker_model import WorkerModel
from mtshare_ros.model.file_description import read_description
from mtshare_ros.model.manifest import find_model
from mtshare_ros.report.fleet_page import (
    Figure,
    FleetPage,
    Section,
    Table,
    write_fleet_page,
)
from mtshare_ros.tasks import LabelSet

_SAMPLES = 12
_MOST_OUTLIERS = 12
_WHAT_PICTURES_SHOW = (
    'Each picture shows the image, then in colours its maps, as far as they were computed: '
    'classes, depth (near is warm, far is cool, over the range of the picture), normals, edges, '
    'and what was recomputed.')


@dataclass(frozen=True)
class RunFacts:
    """
    How a fleet was computed.

    ``settings`` are shown as they are, by name. ``compared_with`` is the second model, empty for
    none; ``notices`` are what the user was told, one line each.
    """

    model: str
    model_digest: str
    labels: LabelSet
    settings: Mapping[str, str] = field(default_factory=dict)
    compared_with: str = ''
    notices: tuple[str, ...] = ()

    @classmethod
    def of(cls, settings: FleetSettings) -> 'RunFacts':
        """
        Return the facts of a fleet with some settings.

        Raises ConfigError where the second model cannot be compared with the first.
        """
        first, other = _named(settings.model), settings.compare
        second = _named(other) if other is not None else None
        notices = Comparable.of(first, second, first.description.tasks).notices if second else ()
        shown = {name: _text(value) for name, value in settings.identity().items()}
        return cls(first.name, settings.model.sha256, first.description.labels, shown,
                   second.name if second else '', notices)


def _named(model: WorkerModel) -> NamedModel:
    file = find_model(model.name)
    return NamedModel(file.name, read_description(file.path))


def _text(value: Any) -> str:
    """Return a setting as people read it."""
    if isinstance(value, Mapping):
        # the checksum of a model has a row of its own
        return ', '.join(f'{name.replace("_", " ")} {_text(item)}'
                         for name, item in value.items() if name != 'sha256') or 'none'
    if isinstance(value, (list, tuple)):
        return ' '.join(map(_text, value)) or 'none'
    if isinstance(value, bool):
        return 'yes' if value else 'no'
    return 'default' if value is None else str(value) or 'none'


def write_summary(place: Place, rows: Iterable[ManifestRow], facts: RunFacts) -> None:
    """Write the page about the rows of a manifest into the output; raises PlaceError."""
    page = make_page(place, add_up(rows), facts)
    place.write_bytes(PAGE, write_fleet_page(page).encode('utf-8'))


def make_page(place: Place, fleet: FleetTotals, facts: RunFacts) -> FleetPage:
    """Return what the page says; pictures that the output does not have are left out."""
    pictures = PicturesOf(place)
    failed = len(fleet.of_state(FAILED))
    damaged = sum(bool(item.damage) for item in fleet.recordings)
    unfinished = len(fleet.of_state(UNFINISHED))
    problems = [f'{counted(count)} {word}' for count, word in (
        (failed, 'failed'), (damaged, 'damaged'), (unfinished, 'not finished'),
        (len(fleet.of_state(DUPLICATE)), 'given twice')) if count]
    count = len(fleet.recordings)
    message = f'{counted(count)} recording{"s" if count != 1 else ""}'
    sections = (
        _totals_section(fleet), problem_section(fleet), classes_section(fleet, facts.labels),
        depth_section(fleet), cost_section(fleet),
        comparison_section(fleet, pictures, facts.model, facts.compared_with),
        _outlier_section(fleet, pictures), _picture_section(fleet, pictures),
        recordings_section(fleet), _run_section(fleet, facts))
    now = datetime.now(timezone.utc).strftime('%Y-%m-%d %H:%M UTC')
    return FleetPage(
        place=place.text, state='warn' if failed or damaged or unfinished else 'ok',
        message=', '.join((message, *problems)),
        made=f'Made {now} by mtshare_ros {__version__}, from manifest.parquet beside this file, '
             'which holds every segment.',
        sections=[section for section in sections if section is not None])


def _totals_section(fleet: FleetTotals) -> Section:
    recordings = fleet.recordings
    moving = [item for item in recordings if item.kind != 'images']
    seconds, frames = fleet.total('seconds'), fleet.total('frames')
    skipped, unfinished = fleet.total('skipped'), len(fleet.of_state(UNFINISHED))
    figures = (
        Figure('Recordings', counted(len(recordings)),
               f'{counted(len(fleet.of_state(DONE)))} done'),
        *((Figure('Not finished', counted(unfinished), 'the same command goes on'),)
          if unfinished else ()),
        Figure('Failed', counted(len(fleet.of_state(FAILED)))),
        Figure('Damaged', counted(sum(bool(item.damage) for item in recordings)),
               'what can be read of them is computed'),
        Figure('Given twice', counted(len(fleet.of_state(DUPLICATE))), 'computed once'),
        Figure('Frames', counted(frames),
               f'in {counted(fleet.total("segments"))} segments'),
        Figure('Skipped images', counted(skipped), 'could not be decoded'),
        Figure('Video', hours(sum(item.video_s for item in moving)),
               'without pauses of more than 10 s'),
        Figure('Computed in', hours(seconds), 'of all workers together'),
        Figure('Read', bytes_text(fleet.total('input_bytes'))),
        Figure('Written', bytes_text(fleet.total('output_bytes'))),
    )
    return Section('totals', 'Totals', figures=figures)


def _outlier_section(fleet: FleetTotals, pictures: PicturesOf) -> Section | None:
    found = find_outliers(fleet.recordings)
    if not found:
        return None
    shown = found[:_MOST_OUTLIERS]
    table = Table(
        f'{counted(len(found))} recordings' + (
            f', the {len(shown)} farthest' if len(found) > len(shown) else ''),
        ('recording', 'differs in', 'distance, %', 'frames'),
        [(item.recording.name, item.what, f'{100 * item.distance:.1f}',
          counted(item.recording.frames)) for item in shown], frozenset((2, 3)))
    return Section('outliers', 'Unlike the others', (RULE,), tables=(table,), pictures=[
        jpeg for item in shown if (jpeg := pictures.of_recording(
            item.recording, f'{100 * item.distance:.1f} % of {item.what} differ'))])


def _picture_section(fleet: FleetTotals, pictures: PicturesOf) -> Section | None:
    known = [item for item in fleet.recordings if item.middle is not None]
    count = min(len(known), _SAMPLES)
    chosen = [known[number * len(known) // count] for number in range(count)]
    found = [shown for item in chosen
             if (shown := pictures.of_recording(item, f'{counted(item.frames)} frames'))]
    if not found:
        return None
    more = f' They are of {len(found)} recordings, evenly spread over the list of their names; ' \
        f'the folder {PICTURES}/ has one of every segment.'
    return Section('pictures', 'Pictures', (_WHAT_PICTURES_SHOW + more,), pictures=found)


def _run_section(fleet: FleetTotals, facts: RunFacts) -> Section:
    rows = [('name of the model', facts.model), ('sha256 of the model', facts.model_digest),
            *((('compared with', facts.compared_with),) if facts.compared_with else ()),
            *facts.settings.items(), ('last segment finished', fleet.finished or 'unknown')]
    texts = ['Pixels are counted on every n-th row and column, about 5,000 of a frame. '
             'Percentiles of times are exact to 6 %, those of depth to 12 %.']
    if fleet.unreadable:
        texts.append(f'{counted(fleet.unreadable)} finished segments have no summary that can be '
                     'read; they are in the totals, but in no chart.')
    if not fleet.summary.get('depth_pixels'):
        texts.append('No depth in metres was computed, so there is no chart of it.')
    if not fleet.summary.get('class_pixels'):
        texts.append('No classes were computed, so there is no chart of them.')
    return Section('run', 'How it was computed', [*texts, *facts.notices], tables=(
        Table('Settings', ('setting', 'value'), rows),))
