"""What the driver of a fleet and its workers tell each other."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mtshare_ros.fleet.output.manifest_rows import ManifestRow, WHOLE
from mtshare_ros.fleet.output.places import Place
from mtshare_ros.fleet.pool_actor import Report
from mtshare_ros.fleet.settings import FleetSettings
from mtshare_ros.fleet.sources.sources import Source
from mtshare_ros.recording.segments import Segment

if TYPE_CHECKING:
    from mtshare_ros.fleet.worker import Worker


@dataclass(frozen=True)
class MakeWorker:
    """Makes the worker of a process."""

    settings: FleetSettings
    place: Place

    def __call__(self, report: Report) -> 'Worker':
        """Load the models; raise MtshareError where this machine lacks what is needed."""
        # PyTorch, whose import takes seconds, is needed in the process of the worker only
        from mtshare_ros.fleet.worker import Worker

        return Worker(self.settings, self.place, report)


@dataclass(frozen=True)
class RecordingFacts:
    """
    A recording that can be read.

    ``segments`` are computed one by one, by any worker; there are none where the recording can
    only be read in one go. ``images`` is the number of images, 0 where it is unknown.
    """

    digest: str
    segments: tuple[Segment, ...]
    images: int


@dataclass(frozen=True)
class Work:
    """
    One segment of a recording to compute; or, ``in_one_go``, all segments from the first one.

    ``digest`` is that of the recording, ``segments`` how many it has, -1 where that is unknown.
    """

    source: Source
    segment: Segment
    in_one_go: bool
    digest: str
    segments: int = -1

    @property
    def key(self) -> tuple[str, int]:
        """What tells it from all other work: the recording's name and the segment's number."""
        return self.source.name, WHOLE if self.in_one_go else self.segment.number


@dataclass(frozen=True)
class Computed:
    """
    The rows of segments that are whole; ``damage`` says what could not be read of the recording.

    ``unwritable`` is the reason why the output could not be written, empty where it could.
    """

    rows: tuple[ManifestRow, ...] = ()
    damage: str = ''
    unwritable: str = ''
