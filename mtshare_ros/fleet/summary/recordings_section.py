"""The part of a fleet's page that lists recordings."""

import math

from mtshare_ros.fleet.summary.recording_totals import DONE, FleetTotals, RecordingTotals
from mtshare_ros.fleet.summary.texts import counted, written
from mtshare_ros.report.fleet_page import Section, Table

_EACH_END = 50
_COLUMNS = ('recording', 'kind', 'state', 'frames', 'video, s', 'tokens computed, %',
            'multiplications saved, %', 'median of a frame, ms', 'computed in, s')


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
