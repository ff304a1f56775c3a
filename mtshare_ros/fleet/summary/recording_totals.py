"""What a manifest's rows say of each recording, added up, and of the fleet as a whole."""

from collections import Counter
from dataclasses import dataclass, field
import json
from typing import Any, Iterable, Mapping, Sequence

import numpy as np

from mtshare_ros.fleet.output.manifest_rows import DONE, DUPLICATE, FAILED, ManifestRow
from mtshare_ros.fleet.summary.counting import (
    add,
    DEPTH,
    merge,
    MILLION,
    MILLISECONDS,
    without_numbers,
)
from mtshare_ros.tasks import UNLABELLED

UNFINISHED = 'unfinished'
"""The state of a recording of which segments are missing, as a run ended before."""


@dataclass(frozen=True)
class RecordingTotals:
    """
    One recording: ``state`` is failed where one of its rows is, and unfinished where rows miss.

    ``classes`` (256,) and ``depth`` (DEPTH.count + 2,) float32 are counts of sampled pixels by
    class id and by interval. Times are in seconds, ``ms`` is the median of a frame. ``active`` is
    the share of tokens that were computed, ``saved`` that of the multiplications that were not;
    both and ``ms`` are NaN without frames. ``middle`` is the number of a segment that has a
    picture, None without one.
    """

    name: str
    source: str
    kind: str
    state: str
    reason: str
    damage: str
    frames: int
    skipped: int
    segments: int
    input_bytes: int
    output_bytes: int
    seconds: float
    video_s: float
    ms: float
    active: float
    saved: float
    classes: np.ndarray
    depth: np.ndarray
    middle: int | None


@dataclass
class FleetTotals:
    """
    A whole fleet: its recordings, and the merged summary of all segments.

    ``notices`` counts the segments by what they made the run say, with N in place of numbers.
    ``unreadable`` counts the finished segments without a summary that can be read. ``finished`` is
    when the last of them was finished, in UTC, empty where that is unknown.
    """

    recordings: list[RecordingTotals] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    notices: Counter[str] = field(default_factory=Counter)
    unreadable: int = 0
    finished: str = ''

    def of_state(self, state: str) -> list[RecordingTotals]:
        """Return the recordings of a state."""
        return [item for item in self.recordings if item.state == state]

    def total(self, name: str) -> float:
        """Return the sum of a number over all recordings."""
        return sum(getattr(item, name) for item in self.recordings)


def add_up(rows: Iterable[ManifestRow]) -> FleetTotals:
    """Return the totals of a manifest, the recordings in the order of their names."""
    by_source: dict[str, list[ManifestRow]] = {}
    fleet, latest = FleetTotals(), None
    for row in rows:
        if row.state not in (DONE, FAILED, DUPLICATE):
            continue
        by_source.setdefault(row.source, []).append(row)
        fleet.notices.update({without_numbers(line) for line in row.notices})
        if row.finished_at is not None and (latest is None or row.finished_at > latest):
            latest = row.finished_at
    fleet.finished = latest.strftime('%Y-%m-%d %H:%M UTC') if latest is not None else ''
    for found in sorted(by_source.values(), key=lambda rows: (rows[0].name, rows[0].source)):
        done = sorted((row for row in found if row.state == DONE and row.segment >= 0),
                      key=lambda row: row.segment)
        summaries = [_summary_of(row) for row in done]
        fleet.unreadable += sum(not values for values in summaries)
        # a large part of the time is spent on adding, and many recordings have one segment
        summary = summaries[0] if len(summaries) == 1 else merge(summaries)
        add(fleet.summary, summary)
        fleet.recordings.append(_recording(found, done, summary))
    return fleet


def _summary_of(row: ManifestRow) -> dict[str, Any]:
    """Return a row's summary, whose frames then name their segment; empty where it is damaged."""
    try:
        values = json.loads(row.summary)
    except ValueError:
        return {}
    if not isinstance(values, dict):
        return {}
    for frame in values.get('comparison', {}).get('most_different', ()):
        frame.update(recording=row.name, segment=row.segment)
    return values


def _recording(
    rows: Sequence[ManifestRow], done: Sequence[ManifestRow], summary: Mapping[str, Any]
) -> RecordingTotals:
    failed = [row for row in rows if row.state == FAILED]
    duplicate = [row for row in rows if row.state == DUPLICATE]
    special = failed or ([] if done else duplicate)
    frames, dense = summary.get('frames', 0), summary.get('dense_macs', 0)
    classes = np.zeros(UNLABELLED + 1, np.float32)
    for number, count in summary.get('class_pixels', {}).items():
        classes[int(number)] = count
    classes[UNLABELLED] = summary.get('unlabelled_pixels', 0)
    pictured = [row.segment for row in done if row.frames]
    return RecordingTotals(
        name=rows[0].name, source=rows[0].source, kind=rows[0].kind,
        state=special[0].state if special else DONE if _is_whole(done) else UNFINISHED,
        reason=special[0].reason if special else '',
        damage=next((row.damage for row in rows if row.damage), ''),
        frames=sum(row.frames for row in done), skipped=sum(row.skipped for row in rows),
        segments=len(done), input_bytes=max(row.input_bytes for row in rows),
        output_bytes=sum(row.output_bytes for row in rows),
        seconds=sum(row.seconds for row in rows), video_s=summary.get('video_us', 0) / 1e6,
        ms=MILLISECONDS.quantile(summary.get('ms', {}), 0.5),
        active=summary['active_ppm'] / MILLION / frames if frames else np.nan,
        saved=1 - summary['macs'] / dense if dense else np.nan,
        classes=classes, depth=DEPTH.dense(summary.get('depth_pixels', {})).astype(np.float32),
        middle=pictured[len(pictured) // 2] if pictured else None)


def _is_whole(done: Sequence[ManifestRow]) -> bool:
    """Return whether no segment is missing; read in one go, only the last one knows how many."""
    return 0 < max((row.segments for row in done), default=0) <= len(done)
