"""A worker of a fleet: it opens recordings and computes segments with an engine that it keeps."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
import platform
from tempfile import TemporaryDirectory

from mtshare_ros.errors import PlaceError, RecordingError
from mtshare_ros.fleet.digests import digest
from mtshare_ros.fleet.fetching import fetch, find_again
from mtshare_ros.fleet.output.identity import read_identity
from mtshare_ros.fleet.output.layout import (
    bag_file,
    bag_folder,
    shard,
    unfinished_folder,
)
from mtshare_ros.fleet.output.manifest_rows import ManifestRow
from mtshare_ros.fleet.output.places import Place
from mtshare_ros.fleet.pool_actor import Report
from mtshare_ros.fleet.remote_bags import open_in_place
from mtshare_ros.fleet.segment_files import BagFile, NoFile, SegmentFile, ShardFile
from mtshare_ros.fleet.segment_writer import SegmentWriter
from mtshare_ros.fleet.settings import BAG, FleetSettings, SUMMARY
from mtshare_ros.fleet.shards.formats import open_shard, SHARD_FORMATS
from mtshare_ros.fleet.shards.shard_writer import ShardContext
from mtshare_ros.fleet.sources.sources import Source
from mtshare_ros.fleet.summary.comparison import Comparison
from mtshare_ros.fleet.summary.segment_summary import SegmentSummary
from mtshare_ros.fleet.work import Computed, RecordingFacts, Work
from mtshare_ros.inference.machine_costs import choices_of
from mtshare_ros.inference.map_outputs import choose_outputs, offered_outputs, task_of
from mtshare_ros.inference.prediction import InferenceSettings
from mtshare_ros.recording.bag import Bag
from mtshare_ros.recording.bag_parts import Channel, WrongIndexError
from mtshare_ros.recording.bag_plan import BagPlan
from mtshare_ros.recording.recorded_poses import RecordedPoses
from mtshare_ros.recording.recording import open_recording, Recording
from mtshare_ros.recording.segment_run import SegmentRun
from mtshare_ros.recording.segments import count_missing, find_segments


class Worker:
    """Opens recordings and computes their segments, one at a time."""

    def __init__(self, settings: FleetSettings, place: Place, report: Report) -> None:
        _check_sees(place)
        self._settings, self._place, self._report = settings, place, report
        self._engine = settings.model.load()
        # here, so that a wrong --topics ends the run and not each recording
        choose_outputs(settings.topics, offered_outputs(
            self._engine.tasks, self._engine.description.architecture.relative_depth), '--topics')
        self._other = settings.compare.load() if settings.compare is not None else None
        self._reader = RecordingReader()

    def notices(self) -> tuple[str, ...]:
        """Return what the user of its model should know."""
        return tuple(filter(None, (self._engine.rooms_only_warning, *self._engine.notices)))

    def open(self, source: Source) -> RecordingFacts:
        """Open a recording; raise MtshareError where it cannot be computed."""
        try:
            recording = self._reader.open(source, in_place=True)
        except WrongIndexError:
            # fetched by the worker that computes it, as others would have to fetch it again
            return RecordingFacts(digest(source), (), 0)
        plan = self._plan(recording, source)
        images = sum(topic.count for topic in recording.topics if topic.name == plan.image_topic)
        return RecordingFacts(digest(source), find_segments(recording, plan), images)

    def compute(self, work: Work) -> Computed:
        """Compute a segment, or all of a recording; raise MtshareError where that fails."""
        try:
            return self._compute(work)
        except PlaceError as error:
            return Computed(unwritable=str(error))
        except WrongIndexError as error:
            return Computed(damage=str(error))
        except RecordingError:
            # that it was replaced meanwhile explains whatever is wrong with it
            self._reader.check()
            raise

    def _compute(self, work: Work) -> Computed:
        recording = self._reader.open(work.source, in_place=not work.in_one_go)
        plan = self._plan(recording, work.source)
        notices: list[str] = []
        poses = self._poses(recording, notices.append)
        writer = SegmentWriter(
            work, self._place, self._blank_row(work),
            lambda number, channels: self._open_file(work, plan, poses, number, channels),
            lambda: SegmentSummary(self._engine.labels, self._comparison(plan)), notices,
            choices_of(self._engine, plan.sharing), self._reader.check)
        first = writer.resume() if work.in_one_go else work.segment
        if first is None:
            return Computed(writer.rows, writer.damage)
        # the picture of the segment also shows what was recomputed
        run = SegmentRun(recording, plan, self._engine, activity=True, say=notices.append)
        before = writer.images
        run.run(first, None if work.in_one_go else 1, writer.open,
                lambda images: self._report(work.key, before + images))
        writer.end(_describe_damage(recording, plan, writer.images) if work.in_one_go else '')
        return Computed(writer.rows, writer.damage)

    def _plan(self, recording: Recording, source: Source) -> BagPlan:
        plan = self._settings.plan(recording, Path(source.name))
        return plan.with_outputs(self._settings.topics, self._engine)

    def _blank_row(self, work: Work) -> ManifestRow:
        """Return what is the same in the rows of all segments of a recording."""
        source, settings = work.source, self._settings
        return ManifestRow(
            source=source.location, name=source.name, kind=source.kind,
            input_digest=work.digest, input_version=source.version, input_bytes=source.bytes,
            model_digest=settings.model.sha256, settings_digest=settings.digest())

    def _open_file(
        self, work: Work, plan: BagPlan, poses: RecordedPoses | None, number: int,
        channels: Sequence[Channel],
    ) -> SegmentFile:
        """Begin the file of a segment."""
        name, kind = work.source.name, self._settings.output_format
        if kind == SUMMARY:
            return NoFile()
        if kind == BAG:
            file = bag_file(name, number, plan.storage)
            draft = self._place.draft(f'{unfinished_folder(self._place, name)}/{file}')
            return BagFile(draft, f'{bag_folder(name)}/{file}', plan.storage, channels)
        path = shard(name, number, kind)
        draft = self._place.draft(path)
        return ShardFile(draft, path, open_shard(kind, draft.path, ShardContext(
            name, work.source.location, number, self._engine.labels, plan.outputs,
            self._settings.model.sha256, self._settings.identity(),
            poses.begin() if poses is not None else None)))

    def _poses(
        self, recording: Recording, say: Callable[[str], None]
    ) -> RecordedPoses | None:
        """Return where the poses of the camera are read from, None where none are written."""
        wanted = self._settings.pose.given and self._settings.output_format in SHARD_FORMATS
        # videos and images have no topics with poses
        return (RecordedPoses(recording, self._settings.pose, say)
                if wanted and isinstance(recording, Bag) else None)

    def _comparison(self, plan: BagPlan) -> Comparison | None:
        if self._other is None:
            return None
        return Comparison(self._engine, self._other, InferenceSettings.to_show(
            map(task_of, plan.outputs), self._engine.tasks, plan.sharing, motion=plan.motion))


class RecordingReader:
    """
    Opens recordings, remote ones in place or after fetching them.

    The last one stays open, as its next segment is likely to come.
    """

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._opened: tuple[Source, bool, Recording] | None = None

    def open(self, source: Source, *, in_place: bool) -> Recording:
        """
        Return the recording of a source.

        ``in_place`` reads of a remote one only what is needed. Raises RecordingError where it
        cannot be read, WrongIndexError where a remote one cannot be read in place.
        """
        in_place = in_place or source.is_local
        if self._opened is not None and self._opened[:2] == (source, in_place):
            return self._opened[2]
        self.close()
        recording = self._stack.enter_context(self._open(source, in_place))
        self._opened = source, in_place, recording
        return recording

    def check(self) -> None:
        """Raise RecordingError where the recording that is read in place has changed."""
        if self._opened is None or self._opened[0].is_local or not self._opened[1]:
            return
        try:
            find_again(self._opened[0])
        except RecordingError:
            # its next segment would be computed in vain
            self.close()
            raise

    def _open(self, source: Source, in_place: bool) -> Recording:
        if source.is_local:
            return open_recording(Path(source.location), kind=source.kind)
        if in_place:
            return Bag(open_in_place(source))
        folder = self._stack.enter_context(TemporaryDirectory(prefix='mtshare_fleet_'))
        return open_recording(fetch(source, Path(folder)), kind=source.kind)

    def close(self) -> None:
        """Close the recording that is open, and remove what was fetched."""
        self._opened = None
        self._stack.close()


def _describe_damage(recording: Recording, plan: BagPlan, images: int) -> str:
    """Return what is missing of a recording of which ``images`` were read, empty for nothing."""
    damages = [str(damage) for damage in recording.damages]
    missing = count_missing(recording, plan, images)
    if missing:
        damages.append(f'{missing} of {images + missing} images are missing')
    return '; '.join(damages)


def _check_sees(place: Place) -> None:
    """Raise PlaceError where this machine does not see the output of the driver."""
    if read_identity(place) is None:
        raise PlaceError(
            f'{place.text}: the worker on {platform.node()} does not see what the command wrote '
            'there; give a folder that all machines share at that path, or a URL')
