"""What a worker writes of the segments of one piece of work: files, statistics, rows."""

from dataclasses import replace
from datetime import datetime, timezone
import hashlib
import json
import os
import platform
import time
from typing import Any, Callable, Mapping, Sequence

from mtshare_ros import __version__
from mtshare_ros.fleet.output.layout import picture, possible_names
from mtshare_ros.fleet.output.manifest import read_part, write_part
from mtshare_ros.fleet.output.manifest_rows import ManifestRow
from mtshare_ros.fleet.output.places import Place
from mtshare_ros.fleet.segment_files import PublishedFile, SegmentFile
from mtshare_ros.fleet.summary.segment_summary import SegmentSummary
from mtshare_ros.fleet.work import Work
from mtshare_ros.inference.prediction import Prediction
from mtshare_ros.recording.bag_parts import Channel
from mtshare_ros.recording.frames import RecordedFrame
from mtshare_ros.recording.segment_run import SegmentResult
from mtshare_ros.recording.segments import Segment


class SegmentWriter:
    """
    Writes the segments of one piece of work, and keeps a row about each that is whole.

    The rows begin as ``blank``, which has what is the same in all of them; messages for the user
    are taken from ``notices`` into the row of the next segment. ``computed_with`` is what the bits
    of the maps depend on besides settings and model, see ``choices_of``. Of a recording that is
    read in one go, each row is also written at once: when its worker dies, the next one goes on
    behind the last of them. ``damage`` says what could not be read, empty where everything could.
    ``check`` is called before a file is published; it raises where what was read is not to be
    used.
    """

    def __init__(
        self, work: Work, place: Place, blank: ManifestRow,
        open_file: Callable[[int, Sequence[Channel]], SegmentFile],
        make_summary: Callable[[], SegmentSummary], notices: list[str],
        computed_with: Mapping[str, Any], check: Callable[[], None] = lambda: None,
    ) -> None:
        self._work, self._place, self._blank = work, place, blank
        self._open_file, self._make_summary = open_file, make_summary
        self._notices, self._computed_with = notices, computed_with
        self.check = check
        self._rows: list[ManifestRow] = []
        self.damage = ''

    @property
    def rows(self) -> tuple[ManifestRow, ...]:
        """The rows of the segments that are whole."""
        return tuple(self._rows)

    @property
    def images(self) -> int:
        """The number of images in these segments, decodable or not."""
        return sum(row.images for row in self._rows)

    def resume(self) -> Segment | None:
        """Take the rows of a worker that died; return the segment to go on with, None for none."""
        while (row := self._stored(len(self._rows))) is not None:
            self._rows.append(row)
        if not self._rows:
            return self._work.segment
        last = self._rows[-1]
        if last.segments > 0:
            self.damage = last.damage
            return None
        return Segment(
            last.segment + 1, last.first_image + last.images, None, last.end_position,
            names_classes=not any(row.frames for row in self._rows))

    def open(self, number: int, channels: Sequence[Channel]) -> 'OpenSegment':
        """Begin a segment."""
        return OpenSegment(self, self._open_file(number, channels), self._make_summary())

    def add(
        self, result: SegmentResult, file: PublishedFile, summary: SegmentSummary, seconds: float
    ) -> None:
        """Keep the row of a segment that is whole, and its pictures."""
        for suffix, jpeg in summary.pictures().items():
            self._place.write_bytes(
                picture(self._work.source.name, result.number, suffix), jpeg)
        self._rows.append(replace(
            self._blank, segment=result.number, segments=self._work.segments,
            first_image=result.first_image, images=result.images, frames=result.frames,
            skipped=result.skipped, end_position=result.end_position, output=file.name,
            output_bytes=file.size, metadata=_json(file.metadata),
            summary=_json(summary.values()),
            statistics=_json({
                **result.statistics.values(), 'left_out': dict(result.left_out),
                'computed_with': self._computed_with}),
            notices=tuple(self._notices), seconds=seconds,
            worker=f'{platform.node()}:{os.getpid()}', finished_at=datetime.now(timezone.utc),
            version=__version__))
        self._notices.clear()
        if self._work.in_one_go:
            self._store(self._rows[-1])

    def end(self, damage: str) -> None:
        """Note that there are no more segments, and what could not be read."""
        self.damage = damage
        if self._work.in_one_go and self._rows:
            self._rows[-1] = replace(self._rows[-1], segments=len(self._rows), damage=damage)
            self._store(self._rows[-1])

    def _store(self, row: ManifestRow) -> None:
        write_part(self._place, self._part(row.segment), (row,))

    def _stored(self, number: int) -> ManifestRow | None:
        """Return the row that another worker stored of the same contents and settings."""
        rows = read_part(self._place, self._part(number))
        fitting = (row for row in rows if row.input_digest == self._blank.input_digest
                   and row.settings_digest == self._blank.settings_digest
                   and (not row.output or row.output_bytes in map(
                       self._place.size, possible_names(self._place, row.output))))
        return next(fitting, None)

    def _part(self, number: int) -> str:
        source = hashlib.sha256(self._work.source.location.encode()).hexdigest()[:16]
        return f'{source}-{number}'


class OpenSegment:
    """A segment that is being computed: its file and its statistics."""

    def __init__(
        self, writer: SegmentWriter, file: SegmentFile, summary: SegmentSummary
    ) -> None:
        self._writer, self._file, self._summary = writer, file, summary
        self._start_s = time.monotonic()

    def write(self, channel: Channel, time_ns: int, data: bytes) -> None:
        """Write a message, recorded at a time in ns since the epoch."""
        self._file.write(channel, time_ns, data)

    def see(self, frame: RecordedFrame, prediction: Prediction) -> None:
        """Take a frame."""
        self._file.see(frame, prediction)
        self._summary.see(frame, prediction)

    def finish(self, result: SegmentResult) -> None:
        """Publish the file and keep the row: the segment is whole."""
        self._writer.check()
        file = self._file.publish()
        self._writer.add(result, file, self._summary, time.monotonic() - self._start_s)

    def abandon(self) -> None:
        """Throw the file away."""
        self._file.discard()


def _json(values: object) -> str:
    return json.dumps(values, separators=(',', ':')) if values else ''
