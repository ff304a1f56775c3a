"""Wall-clock times of the stages of a frame."""

import time

import torch


class StageClock:
    """
    Milliseconds of consecutive stages.

    On CUDA the stages are marked in the device's queue and read once at the end, so that measuring
    makes nobody wait.
    """

    def __init__(self, device: str) -> None:
        self._cuda = device.startswith('cuda')
        self._marks: list[tuple[str, object]] = [('', self._mark())]

    def lap(self, stage: str) -> None:
        """End a stage; one that comes again adds up."""
        self._marks.append((stage, self._mark()))

    def stages(self) -> dict[str, float]:
        """Return the milliseconds of every stage in the order they ran; waits for the device."""
        self._wait()
        times: dict[str, float] = {}
        for (_, before), (stage, after) in zip(self._marks, self._marks[1:]):
            times[stage] = times.get(stage, 0.0) + self._between(before, after)
        return times

    def total_ms(self) -> float:
        """Return the milliseconds from the start to the end of the last stage."""
        self._wait()
        return self._between(self._marks[0][1], self._marks[-1][1])

    def _wait(self) -> None:
        if self._cuda:
            torch.cuda.synchronize()

    def _mark(self) -> object:
        if not self._cuda:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def _between(self, before: object, after: object) -> float:
        if isinstance(before, float) and isinstance(after, float):
            return (after - before) * 1e3
        return before.elapsed_time(after)  # type: ignore[attr-defined]
