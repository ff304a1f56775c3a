"""Measure on several clips: here one after another, or elsewhere several at a time."""

from dataclasses import dataclass
from typing import Any, Callable, Protocol, Sequence

Tick = Callable[[], None]
"""Is called after each frame that a measurement computes."""


@dataclass(frozen=True)
class Measurement:
    """A method of what measures on one clip, and its arguments; ``clip`` is the clip's number."""

    clip: int
    method: Callable[..., Any]
    arguments: tuple[Any, ...] = ()

    def on(self, meter: Any) -> Any:
        """Return the result of the method."""
        return self.method(meter, *self.arguments)


class Spread(Protocol):
    """Does measurements, each on its clip, in any order and in any processes."""

    def __call__(
        self, measurements: Sequence[Measurement], progress: Callable[[int], None]
    ) -> list[Any]:
        """
        Return the results in the order of the measurements, which can all be pickled.

        ``progress`` is called with the number of frames that were computed for them so far.
        """


class MeasuredHere:
    """
    Does measurements in this process, one after another.

    ``make_meters`` returns what measures on each clip; it is given the tick to call.
    """

    def __init__(self, make_meters: Callable[[Tick], Sequence[Any]]) -> None:
        self._meters = make_meters(self._tick)
        self._progress: Callable[[int], None] = lambda done: None
        self._done = 0

    def __call__(
        self, measurements: Sequence[Measurement], progress: Callable[[int], None]
    ) -> list[Any]:
        """Do the measurements; see Spread."""
        self._done, self._progress = 0, progress
        return [measurement.on(self._meters[measurement.clip]) for measurement in measurements]

    def _tick(self) -> None:
        self._done += 1
        self._progress(self._done)


class CountedSpread:
    """Does measurements on clips, and counts frames for a progress bar, which never goes back."""

    def __init__(self, spread: Spread, report: Callable[[int], None]) -> None:
        self._spread = spread
        self._report = report
        self._frames = 0

    def measure(
        self, clips: Sequence[int], frames: int, method: Callable[..., Any], *arguments: Any
    ) -> list[Any]:
        """
        Return the results of a method on some clips, in order; it computes ``frames`` on them.

        More frames are not counted: a clip that moves to another process is prepared again there.
        """
        start = self._frames
        found = self._spread([Measurement(clip, method, arguments) for clip in clips],
                             lambda done: self.advance_to(start + min(done, frames)))
        self.advance_to(start + frames)
        return found

    @property
    def frames(self) -> int:
        """Number of frames so far."""
        return self._frames

    def advance_to(self, frames: int) -> None:
        """Set the number of frames; fewer than before change nothing."""
        if frames > self._frames:
            self._frames = frames
            self._report(frames)
