"""What became of the recordings of a fleet, according to its manifest."""

from collections.abc import Iterable
from dataclasses import dataclass

from mtshare_ros.fleet.output.manifest import Manifest
from mtshare_ros.fleet.output.manifest_rows import FAILED, WHOLE
from mtshare_ros.fleet.sources.sources import Source


@dataclass(frozen=True)
class Problem:
    """A recording that is not in the output as a whole, and the reason."""

    location: str
    reason: str


@dataclass(frozen=True)
class Outcome:
    """
    What became of the recordings that were asked for.

    ``complete`` are in the output as a whole, ``damaged`` with all that could be read of them.
    ``unfinished`` are neither these, nor failed nor duplicates: the run ended before. Each
    recording is one of these. ``frames`` were computed, ``skipped`` images cannot be decoded.
    """

    complete: int
    damaged: tuple[Problem, ...]
    failed: tuple[Problem, ...]
    duplicates: int
    unfinished: int
    frames: int
    skipped: int
    output_bytes: int

    def so_far(self) -> str:
        """Return a sentence about a run that was interrupted."""
        ended = self.complete + len(self.damaged)
        count = ended + len(self.failed) + self.duplicates + self.unfinished
        parts = [f'{ended:,} of {count:,} recordings are done', f'{self.frames:,} frames']
        if self.failed:
            parts.append(f'{len(self.failed):,} failed')
        return ', '.join(parts)

    def values(self) -> dict[str, object]:
        """Return everything as it is written to the JSON file."""
        return {
            'complete': self.complete, 'duplicates': self.duplicates,
            'unfinished': self.unfinished, 'frames': self.frames, 'skipped': self.skipped,
            'output_bytes': self.output_bytes,
            'damaged': {item.location: item.reason for item in self.damaged},
            'failed': {item.location: item.reason for item in self.failed},
        }


def find_outcome(manifest: Manifest, sources: Iterable[Source]) -> Outcome:
    """Return what the manifest says about these recordings."""
    complete = duplicates = unfinished = frames = skipped = output_bytes = 0
    damaged, failed = [], []
    for source in sources:
        rows = manifest.of(source.location)
        whole = rows.pop(WHOLE, None)
        done = list(rows.values())
        frames += sum(row.frames for row in done)
        skipped += sum(row.skipped for row in done)
        output_bytes += sum(row.output_bytes for row in done)
        damage = '; '.join(row.damage for row in done if row.damage)
        if whole is not None and whole.state == FAILED:
            failed.append(Problem(source.location, whole.reason))
        elif whole is not None:
            duplicates += 1
        elif not done or len(done) != max(row.segments for row in done):
            unfinished += 1
        elif damage:
            damaged.append(Problem(source.location, damage))
        else:
            complete += 1
    return Outcome(complete, tuple(damaged), tuple(failed), duplicates, unfinished, frames,
                   skipped, output_bytes)
