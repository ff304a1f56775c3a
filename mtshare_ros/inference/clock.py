"""Wall-clock times of the stages of a frame."""

import time

import torch


class StageClock:
    """
    Milliseconds of consecutive stages.

    On CUDA the stages are marked in the queue of the device, whichever the thread's current one
    is, and read once at the end: measuring makes nobody wait, and reading waits for the last mark,
    not for what others gave the device to do.
    """

    def __init__(self, device: str) -> None:
        self._device = torch.device(device) if device.startswith('cuda') else None
        self._marks: list[tuple[str, object]] = [('', self._mark())]
        self._passed = False

    def lap(self, stage: str, waited: torch.cuda.Event | None = None) -> None:
        """
        End a stage; one that comes again adds up.

        It ends at an event of the device that the host has ``waited`` for, if there is one.
        """
        self._marks.append((stage, self._mark() if waited is None else waited))
        self._passed = waited is not None

    def stages(self) -> dict[str, float]:
        """Return the milliseconds of every stage in the order they ran; waits for the last."""
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
        if self._device is not None and not self._passed:
            self._marks[-1][1].synchronize()  # type: ignore[attr-defined]
            self._passed = True

    def _mark(self) -> object:
        if self._device is None:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record(torch.cuda.current_stream(self._device))
        return event

    def _between(self, before: object, after: object) -> float:
        if isinstance(before, float) and isinstance(after, float):
            return (after - before) * 1e3
        return before.elapsed_time(after)  # type: ignore[attr-defined]
