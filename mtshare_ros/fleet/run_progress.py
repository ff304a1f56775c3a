"""How far a run of a fleet is."""

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

    Recordings that are not opened yet are taken to have as many images for each byte as the
    others have.
    """

    def __init__(self, sources: Iterable[Source]) -> None:
        self._bytes = {source.location: source.bytes for source in sources}
        self._all_bytes = sum(self._bytes.values())
        self._known: dict[str, int] = {}
        # sums are kept, as a run may have a hundred thousand recordings
        self._known_images = self._known_bytes = 0
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
        if location not in self._known:
            self._known_bytes += self._bytes[location]
        self._known_images += images - self._known.get(location, 0)
        self._known[location] = images

    def _total(self) -> int | None:
        rest = self._all_bytes - self._known_bytes
        if not self._known_bytes:
            return None if rest else self._known_images
        return self._known_images + round(self._known_images / self._known_bytes * rest)
