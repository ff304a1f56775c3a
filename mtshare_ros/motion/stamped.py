"""Samples of a sensor, each with its stamp, and what was measured about a moment."""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from threading import Lock
from typing import Generic, TypeVar

from mtshare_ros.motion.rigid import RigidMotion

NANOSECONDS = 1_000_000_000

Sample = TypeVar('Sample')


@dataclass(frozen=True)
class Lookup:
    """
    A motion that was asked for by stamp, or why there is none.

    ``late_ns``: by how much the stamp lies after the newest sample, 0 where it does not.
    ``reason`` is empty where there is a motion.
    """

    motion: RigidMotion | None
    late_ns: int = 0
    reason: str = ''


class StampedSamples(Generic[Sample]):
    """
    The samples of the last seconds in the order of their stamps, in nanoseconds.

    One thread may add while another looks up. A sample with the stamp of another replaces it;
    one that comes late is put where it belongs. One that is older than all that would be kept
    says that the clock was set back: what was before is forgotten.
    """

    def __init__(self, kept_s: float) -> None:
        """Keep what is at most that much older than the newest sample."""
        self._kept_ns = int(kept_s * NANOSECONDS)
        self._stamps: list[int] = []
        self._samples: list[Sample] = []
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._stamps)

    def add(self, stamp_ns: int, sample: Sample) -> None:
        """Add a sample."""
        with self._lock:
            if self._stamps and stamp_ns < self._stamps[-1] - self._kept_ns:
                self._forget(len(self._stamps))
            place = bisect_left(self._stamps, stamp_ns)
            replaced = place < len(self._stamps) and self._stamps[place] == stamp_ns
            self._stamps[place:place + replaced] = [stamp_ns]
            self._samples[place:place + replaced] = [sample]
            self._forget(bisect_left(self._stamps, self._stamps[-1] - self._kept_ns))

    def clear(self) -> None:
        """Forget everything: the sensor began anew."""
        with self._lock:
            self._forget(len(self._stamps))

    def about(self, first_ns: int, last_ns: int) -> tuple[list[int], list[Sample]]:
        """
        Return stamps and samples of a span of time, with the next one on either side.

        Where all are older they are the last two.
        """
        with self._lock:
            begin = bisect_right(self._stamps, first_ns) - 1
            begin = max(min(begin, len(self._stamps) - 2), 0)
            end = bisect_left(self._stamps, last_ns) + 1
            return self._stamps[begin:end], self._samples[begin:end]

    def _forget(self, count: int) -> None:
        """Drop the oldest samples."""
        del self._stamps[:count], self._samples[:count]


def seconds(nanoseconds: int) -> str:
    """Return a duration as people read it."""
    return f'{nanoseconds / NANOSECONDS:.3f} s'
