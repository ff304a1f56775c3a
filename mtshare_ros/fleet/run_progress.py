"""How far a run of a fleet is."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from mtshare_ros.fleet.sources.sources import Source


@dataclass(frozen=True)
class Progress:
    """
    How far a run is, in images, and how many recordings failed so far.

    ``done`` are computed or skipped, those of earlier runs included. ``total`` is an estimate as
    long as there are recordings that are not opened, None where none is.
    """

    done: int
    total: int | None
    failures: int


class ProgressAccount:
    """
    Counts images of recordings.

    Recordings that are not opened yet are taken to have as many images for each byte as the others
    of their kind, or, where none of their kind is opened, as all others: a second of a video has
    a hundredth of the bytes that it has in a bag.
    """

    def __init__(self, sources: Iterable[Source]) -> None:
        self._sources = {source.location: (source.kind, source.bytes) for source in sources}
        # sums are kept, as a run may have a hundred thousand recordings
        self._all_bytes = _bytes_by_kind(self._sources.values())
        self._known_bytes: Counter[str] = Counter()
        self._known_images: Counter[str] = Counter()
        self._known: dict[str, int] = {}
        self._done: dict[str, int] = {}
        self._all_done = 0
        self._failed: set[str] = set()

    def opened(self, location: str, images: int) -> None:
        """Note how many images a recording has, 0 for unknown."""
        if images:
            self._know(location, images)

    def done(self, location: str, images: int) -> None:
        """Note how many images of a recording are in complete segments."""
        self._all_done += images - self._done.get(location, 0)
        self._done[location] = images

    def closed(self, location: str, *, failed: bool = False) -> None:
        """Note that no more images of a recording will be computed."""
        self._know(location, self._done.get(location, 0))
        if failed:
            self._failed.add(location)

    def progress(self, in_flight: int) -> Progress:
        """Return how far the run is, with the images of segments that are being computed."""
        return Progress(self._all_done + in_flight, self._total(), len(self._failed))

    def _know(self, location: str, images: int) -> None:
        kind, size = self._sources[location]
        if location not in self._known:
            self._known_bytes[kind] += size
        self._known_images[kind] += images - self._known.get(location, 0)
        self._known[location] = images

    def _total(self) -> int | None:
        known_bytes, known_images = self._known_bytes.total(), self._known_images.total()
        rest = self._all_bytes - self._known_bytes
        if not known_bytes:
            return None if rest else known_images
        return known_images + round(sum(
            size * (self._known_images[kind] / self._known_bytes[kind]
                    if self._known_bytes[kind] else known_images / known_bytes)
            for kind, size in rest.items()))


def _bytes_by_kind(sources: Iterable[tuple[str, int]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for kind, size in sources:
        total[kind] += size
    return total
