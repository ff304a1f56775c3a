"""A run of a fleet: recordings are opened, computed by workers, finished, and accounted for."""

from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
import time

from mtshare_ros import __version__
from mtshare_ros.errors import PlaceError
from mtshare_ros.fleet.digests import digest
from mtshare_ros.fleet.output.finished_bag import finish_bag, is_finished
from mtshare_ros.fleet.output.layout import BAGS, possible_names, SHARDS
from mtshare_ros.fleet.output.manifest import Manifest
from mtshare_ros.fleet.output.manifest_rows import DONE, DUPLICATE, FAILED, ManifestRow, WHOLE
from mtshare_ros.fleet.output.places import Place
from mtshare_ros.fleet.pool import Done, Pool, Task
from mtshare_ros.fleet.recording_work import RecordingWork
from mtshare_ros.fleet.remote_bags import may_be_read_in_place
from mtshare_ros.fleet.run_progress import Progress, ProgressAccount
from mtshare_ros.fleet.settings import BAG, FleetSettings
from mtshare_ros.fleet.sources.sources import Source
from mtshare_ros.fleet.work import Computed, RecordingFacts, Work

_AHEAD = 4
"""Recordings that are opened or computed at a time, for each worker."""

_FLUSH_S = 10.0
"""How often rows are entered in the manifest: a killed driver loses what was done since."""

_MOST_REFUSALS = 3
"""How often in a row the output may refuse a file before the run ends, as it would go on so."""


class FleetRun:
    """
    Computes recordings with the workers of a pool, and enters what became of them in a manifest.

    What is done according to the manifest is not computed again. ``say`` gets messages for the
    user, one line each.
    """

    def __init__(
        self, settings: FleetSettings, place: Place, manifest: Manifest,
        sources: Sequence[Source], say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._settings, self._place = settings, place
        self._manifest, self._say = manifest, say
        self._settings_digest = settings.digest()
        self._account = ProgressAccount(sources)
        # recordings that are being opened or computed, by location
        self._working: dict[str, RecordingWork] = {}
        # the location of the first recording of the same contents, by their digest
        self._first: dict[str, str] = {}
        self._flush_due_s = 0.0
        self._refusals = 0
        # listed once: asking a store for each file of an earlier run would take hours
        self._files = {**place.list(BAGS), **place.list(SHARDS)}
        self._waiting = deque(self._finish_computed(sources))

    @property
    def is_done(self) -> bool:
        """Whether earlier runs have computed everything."""
        return not self._waiting

    def run(
        self, pool: Pool, progress: Callable[[Progress], None] = lambda now: None
    ) -> None:
        """
        Compute the recordings; afterwards the manifest has rows about each of them.

        What is done is kept, whatever ends the run. Raises PlaceError where the output cannot be
        written any more, FleetError where no worker can be started.
        """
        self._pool = pool

        def report(images: int) -> None:
            progress(self._account.progress(images))

        pool.submit(Task('notices of its model', 'notices'))
        try:
            self._begin_some()
            for done in pool.finished(report):
                self._handle(done)
                self._begin_some()
                if time.monotonic() >= self._flush_due_s:
                    self._manifest.flush()
                    self._flush_due_s = time.monotonic() + _FLUSH_S
            report(0)
        finally:
            self._manifest.flush()

    @property
    def _writes_bags(self) -> bool:
        return self._settings.output_format == BAG

    def _finish_computed(self, sources: Sequence[Source]) -> list[RecordingWork]:
        """Finish recordings that an earlier run has computed whole; return the others."""
        waiting = []
        for source in sources:
            work = RecordingWork(source, self._done_of(source))
            if work.is_complete:
                self._first.setdefault(work.digest, source.location)
                self._account.opened(source.location, work.images)
                self._account.done(source.location, work.images)
                self._working[source.location] = work
                self._finish(work)
            else:
                waiting.append(work)
        return [work for work in waiting if not self._is_known_duplicate(work.source)]

    def _is_known_duplicate(self, source: Source) -> bool:
        """Return whether an earlier run has found that another recording has its contents."""
        row = self._manifest.of(source.location).get(WHOLE)
        known = (row is not None and row.state == DUPLICATE
                 and row.input_version == source.version and row.input_digest in self._first)
        if known:
            self._account.closed(source.location)
        return known

    def _begin_some(self) -> None:
        """Begin recordings while the workers have little to do."""
        while self._waiting and len(self._working) < _AHEAD * self._pool.workers:
            work = self._waiting.popleft()
            source = work.source
            self._working[source.location] = work
            if source.is_local or may_be_read_in_place(source):
                self._pool.submit(
                    Task(source.name, 'open', (source,), near=source.location))
            else:
                # what is fetched to be opened would have to be fetched again by other workers
                self._cut(work, RecordingFacts(digest(source), (), 0))

    def _done_of(self, source: Source) -> list[ManifestRow]:
        """Return the rows of segments that are done with the same settings, and still there."""
        return [row for row in self._manifest.of(source.location).values()
                if row.segment != WHOLE and row.state == DONE
                and row.settings_digest == self._settings_digest
                and (not row.output or row.output_bytes in map(
                    self._files.get, possible_names(self._place, row.output)))]

    def _handle(self, done: Done) -> None:
        """Take the result of a task."""
        if not done.task.arguments:
            for notice in done.value or ():
                self._say(notice)
            return
        asked = done.task.arguments[0]
        if isinstance(asked, Source):
            work = self._working[asked.location]
            if done.error:
                work.fail(None, done.error)
                self._end(work)
            else:
                self._cut(work, done.value)
            return
        found = self._working.get(asked.source.location)
        # what was asked for is not wanted any more where the recording is read in one go instead
        if found is not None and found.awaits(asked):
            self._take(found, asked, done)

    def _cut(self, work: RecordingWork, facts: RecordingFacts) -> None:
        """Have what is not done of a recording computed."""
        location = work.source.location
        first = self._first.setdefault(facts.digest, location)
        if first != location:
            self._close(work, DUPLICATE, f'has the same contents as {first}', facts.digest)
            return
        missing = work.cut(facts.digest, facts.segments)
        self._account.opened(location, facts.images)
        self._account.done(location, work.images)
        for item in missing:
            self._submit(item)
        if not missing:
            self._end(work)

    def _take(self, work: RecordingWork, asked: Work, done: Done) -> None:
        """Take what a worker computed of a recording."""
        computed = done.value if not done.error else Computed()
        if computed.unwritable:
            self._refusals += 1
            if self._refusals >= _MOST_REFUSALS:
                raise PlaceError(computed.unwritable)
            self._submit(asked)
            return
        if computed.damage and not asked.in_one_go:
            # some name the recording already, and say what is done now anyway
            why = computed.damage.removeprefix(f'{work.source.location}: ').removesuffix(
                '; read it from its beginning')
            self._say(f'{work.source.location}: {why}; it is read again from its beginning')
            self._submit(work.restart_in_one_go())
        elif done.error:
            work.fail(asked, done.error)
        else:
            self._refusals = 0
            work.take(asked, computed.rows)
            for row in computed.rows:
                self._manifest.add(row)
        self._account.done(work.source.location, work.images)
        if not work.is_pending:
            self._end(work)

    def _submit(self, item: Work) -> None:
        self._pool.submit(Task(item.key, 'compute', (item,), near=item.source.location))

    def _end(self, work: RecordingWork) -> None:
        """Finish a recording of which nothing more is awaited."""
        again = work.name_classes() if self._writes_bags and not work.failure else None
        if again is not None:
            self._submit(again)
        elif work.failure:
            self._close(work, FAILED, work.failure, work.digest)
        elif not work.frames:
            why = ''.join(f'; {text}' for text in (work.first_notice, work.damage) if text)
            self._close(work, FAILED, f'{work.source.location}: not one image could be used '
                        f'({work.images} could not be read){why}', work.digest)
        else:
            self._finish(work)

    def _finish(self, work: RecordingWork) -> None:
        """Forget rows that do not belong to a recording any more, and complete its bag."""
        location = work.source.location
        done = {row.segment for row in work.rows}
        self._manifest.remove(location, self._manifest.of(location).keys() - done)
        if self._writes_bags and (work.is_new or not is_finished(self._place, work.source.name)):
            finish_bag(self._place, work.source.name, work.files)
        del self._working[location]
        self._account.closed(location)

    def _close(self, work: RecordingWork, state: str, reason: str, contents: str) -> None:
        """Enter a recording as a whole that failed or is a duplicate."""
        source = work.source
        self._manifest.add(ManifestRow(
            source=source.location, name=source.name, kind=source.kind, state=state,
            reason=reason, input_digest=contents, input_version=source.version,
            input_bytes=source.bytes, model_digest=self._settings.model.sha256,
            settings_digest=self._settings_digest, finished_at=datetime.now(timezone.utc),
            version=__version__))
        del self._working[source.location]
        self._account.closed(source.location, failed=state == FAILED)
