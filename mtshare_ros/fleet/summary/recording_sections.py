"""The parts of a fleet's page that list recordings: those with problems, and all of them."""

from dataclasses import dataclass, field
import math
import re

from mtshare_ros.fleet.output.manifest_rows import DONE, DUPLICATE, FAILED
from mtshare_ros.fleet.summary.counting import without_numbers
from mtshare_ros.fleet.summary.recording_totals import FleetTotals, RecordingTotals
from mtshare_ros.fleet.summary.texts import counted, written
from mtshare_ros.report.fleet_page import Section, Table

HOW_TO_TRY_AGAIN = (
    'To try again what failed, repair or replace the recordings and run the same command with the '
    'same output: what is done is kept, and what failed is tried again.')

_MOST_ROWS = 30
_NAMES = 3

_EACH_END = 50
_COLUMNS = ('recording', 'kind', 'state', 'frames', 'video, s', 'tokens computed, %',
            'multiplications saved, %', 'median of a frame, ms', 'computed in, s')


@dataclass
class _Group:
    """Recordings that failed for the same reason, but for names and numbers."""

    reason: str
    names: list[str] = field(default_factory=list)


def problem_section(fleet: FleetTotals) -> Section | None:
    """Return what failed, is damaged, was given twice or said; None where nothing was."""
    failed, doubles = fleet.of_state(FAILED), fleet.of_state(DUPLICATE)
    damaged = [item for item in fleet.recordings if item.damage]
    tables = []
    if failed:
        tables.append(_failures(failed))
    if damaged:
        tables.append(_list('Damaged: computed as far as they can be read', 'what is damaged', [
            (item.name, item.damage) for item in damaged]))
    if doubles:
        tables.append(_list('Given twice: not computed again', 'why', [
            (item.name, item.reason) for item in doubles]))
    if fleet.notices:
        tables.append(_notices(fleet))
    if not tables:
        return None
    return Section('problems', 'Failures and messages', (HOW_TO_TRY_AGAIN,) if failed else (),
                   tables=tables, warning=bool(failed or damaged))


def _failures(failed: list[RecordingTotals]) -> Table:
    """Return a table of reasons, the most common first."""
    groups: dict[str, _Group] = {}
    for item in failed:
        groups.setdefault(_kind_of(item), _Group(item.reason)).names.append(item.name)
    ordered = sorted(groups.values(), key=lambda group: (-len(group.names), group.reason))
    rows = [(group.reason or 'no reason is known', counted(len(group.names)), _first(group.names))
            for group in ordered[:_MOST_ROWS]]
    return Table('Failed: by reason', ('reason, as the first of them has it', 'recordings',
                                       'which'), rows, frozenset((1,)),
                 note=_more(len(ordered), len(rows), 'reasons'))


def _kind_of(failed: RecordingTotals) -> str:
    """Return the reason of a failure without the recording's own name and numbers."""
    own = '|'.join(re.escape(text) for text in (failed.source, failed.name) if text)
    return without_numbers(re.sub(rf'(?<!\w)({own})(?!\w)', '', failed.reason))


def _notices(fleet: FleetTotals) -> Table:
    ordered = sorted(fleet.notices.items(), key=lambda item: (-item[1], item[0]))
    shown = ordered[:_MOST_ROWS]
    return Table('Messages of the run (N is a number)', ('message', 'segments'),
                 [(line, counted(count)) for line, count in shown], frozenset((1,)),
                 folded=True, note=_more(len(ordered), len(shown), 'messages'))


def _list(title: str, what: str, rows: list[tuple[str, str]]) -> Table:
    shown = rows[:_MOST_ROWS]
    return Table(title, ('recording', what), shown,
                 note=_more(len(rows), len(shown), 'recordings'))


def _first(names: list[str]) -> str:
    more = f' and {counted(len(names) - _NAMES)} more' if len(names) > _NAMES else ''
    return ', '.join(names[:_NAMES]) + more


def _more(count: int, shown: int, what: str) -> str:
    if count == shown:
        return ''
    return f'{counted(count - shown)} more {what} are in manifest.parquet.'


def recordings_section(fleet: FleetTotals) -> Section:
    """Return a table of all recordings, or of those that changed most and least."""
    chosen, title = fleet.recordings, 'All recordings'
    if len(fleet.recordings) > 2 * _EACH_END:
        known = [item for item in fleet.recordings if math.isfinite(item.active)]
        order = sorted(known, key=lambda item: (-item.active, item.name))
        chosen = order if len(order) <= 2 * _EACH_END else [
            *order[:_EACH_END], *order[-_EACH_END:]]
        title = (f'{len(chosen)} of {counted(len(fleet.recordings))} recordings: '
                 'the largest and the smallest shares of computed tokens')
    table = Table(title, _COLUMNS, [_row(item) for item in chosen],
                  frozenset(range(3, len(_COLUMNS))), sortable=True,
                  note='All recordings, with every segment: manifest.parquet beside this file.')
    return Section('recordings', 'Recordings', tables=(table,))


def _row(item: RecordingTotals) -> tuple[str, ...]:
    state = f'{item.state}, damaged' if item.damage and item.state == DONE else item.state
    return (item.name, item.kind, state, counted(item.frames), f'{item.video_s:.1f}',
            written(item.active, factor=100), written(item.saved, factor=100), written(item.ms),
            f'{item.seconds:.1f}')
