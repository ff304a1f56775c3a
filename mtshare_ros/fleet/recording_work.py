"""What is done of one recording of a fleet, and what is still to do."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
import json
from typing import Any

from mtshare_ros.fleet.output.manifest_rows import ManifestRow
from mtshare_ros.fleet.sources.sources import Source
from mtshare_ros.fleet.work import Work
from mtshare_ros.recording.segments import Segment


class RecordingWork:
    """
    The segments of one recording: rows of those that are done, and work for the others.

    ``in_one_go`` says that one worker reads it from beginning to end, as it cannot be cut.
    ``failure`` is the first reason why a segment could not be computed, ``damage`` what could not
    be read, both empty for none.
    """

    def __init__(self, source: Source, rows: Iterable[ManifestRow] = ()) -> None:
        self.source = source
        self._rows = {row.segment: row for row in rows}
        self.digest = next((row.input_digest for row in self._rows.values()), '')
        self.in_one_go = False
        self.failure = ''
        self._segments: dict[int, Segment] = {}
        self._asked: set[tuple[str, int]] = set()
        self._asked_any = self._corrected = False

    @property
    def rows(self) -> list[ManifestRow]:
        """The rows of what is done, in the order of the segments."""
        return [self._rows[number] for number in sorted(self._rows)]

    @property
    def is_complete(self) -> bool:
        """
        Whether the rows of an earlier run are all of the recording, as it still is.

        One of which not one image could be used has all its rows, too, but has failed.
        """
        total = max((row.segments for row in self._rows.values()), default=-1)
        return total > 0 and self.frames > 0 and all(
            number in self._rows and self._rows[number].input_version == self.source.version
            for number in range(total))

    @property
    def is_new(self) -> bool:
        """Whether anything of it was computed in this run."""
        return self._asked_any

    @property
    def is_pending(self) -> bool:
        """Whether something that was asked for has not come."""
        return bool(self._asked)

    @property
    def frames(self) -> int:
        """The number of computed images."""
        return sum(row.frames for row in self._rows.values())

    @property
    def images(self) -> int:
        """The number of images in segments that are done, computed or not."""
        return sum(row.images for row in self._rows.values())

    @property
    def first_notice(self) -> str:
        """What was said first about what is done, such as why an image was skipped; or empty."""
        return next((line for row in self.rows for line in row.notices), '')

    @property
    def damage(self) -> str:
        """What could not be read, empty where everything could."""
        return '; '.join(row.damage for row in self.rows if row.damage)

    @property
    def files(self) -> list[dict[str, Any]]:
        """The files of the new bag and the metadata of each, in their order."""
        return [{'file': row.output.rpartition('/')[2], 'metadata': json.loads(row.metadata)}
                for row in self.rows if row.output]

    def cut(self, digest: str, segments: Sequence[Segment]) -> list[Work]:
        """Take what the recording consists of; return the work that is not done."""
        self.digest = digest
        self.in_one_go = not segments
        self._segments = {segment.number: segment for segment in segments}
        # a recording that is read in one go keeps its own account, see SegmentWriter
        self._rows = {number: row for number, row in self._rows.items()
                      if number in self._segments and row.input_digest == digest
                      and row.segments == len(segments)}
        if self.in_one_go:
            return [self._ask(Segment())]
        return [self._ask(segment) for segment in segments if segment.number not in self._rows]

    def take(self, work: Work, rows: Iterable[ManifestRow]) -> None:
        """Take the rows of work that was asked for."""
        self._asked.discard(work.key)
        self._rows.update({row.segment: row for row in rows})

    def fail(self, work: Work | None, reason: str) -> None:
        """Note why some work, or the opening, failed."""
        self.failure = self.failure or reason
        if work is not None:
            self._asked.discard(work.key)

    def awaits(self, work: Work) -> bool:
        """Return whether work is still wanted."""
        return work.key in self._asked

    def restart_in_one_go(self) -> Work:
        """Forget what is done, because the recording is not as its index says; return the work."""
        self._rows, self._segments, self.in_one_go = {}, {}, True
        self._asked.clear()
        return self._ask(Segment())

    def name_classes(self) -> Work | None:
        """
        Return the work of computing a segment again so that it names the classes, None for none.

        The names come with the first computed frame of a recording. Where no image of the first
        segment could be read, that is in a later one, whose worker could not know.
        """
        first = next((row.segment for row in self.rows if row.frames), 0)
        if self._corrected or first == 0 or first not in self._segments:
            return None
        self._corrected = True
        return self._ask(replace(self._segments[first], names_classes=True))

    def _ask(self, segment: Segment) -> Work:
        work = Work(self.source, segment, self.in_one_go, self.digest,
                    len(self._segments) or -1)
        self._asked.add(work.key)
        self._asked_any = True
        return work
