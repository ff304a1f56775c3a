"""What a soak test measured, and its verdict on every promise."""

from dataclasses import asdict, dataclass
import math
import time
from typing import Any, Callable, Sequence

import numpy as np

from mtshare_ros.errors import import_extra

_PERIOD_S = 0.5


@dataclass(frozen=True)
class Usage:
    """Resident memory, threads and open file descriptors, ``at_s`` seconds after the first."""

    at_s: float
    memory_mb: float
    threads: int
    descriptors: int


class UsageLog:
    """Samples of one process, at most two a second; ``clock`` returns seconds."""

    def __init__(self, pid: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._process = require_psutil().Process(pid)
        self._clock = clock
        self._started_s = clock()
        self.samples: list[Usage] = []

    def elapsed_s(self) -> float:
        """Return the seconds since the log was begun."""
        return self._clock() - self._started_s

    def sample(self) -> None:
        """Take a sample if one is due; a process that has ended gives none."""
        at_s = self.elapsed_s()
        if self.samples and at_s - self.samples[-1].at_s < _PERIOD_S:
            return
        psutil, process = require_psutil(), self._process
        try:
            with process.oneshot():
                if process.status() != psutil.STATUS_ZOMBIE:
                    self.samples.append(Usage(at_s, process.memory_info().rss / 2**20,
                                              process.num_threads(), process.num_fds()))
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            pass  # it ended before it was measured


def require_psutil() -> Any:
    """Return psutil; raise MissingExtraError without it."""
    return import_extra('psutil', 'measuring what a process takes', 'cli')


MEMORY_TOLERANCE = 0.05
"""The fraction by which the memory may grow after the warm-up."""

_LONGEST_WARM_UP_S = 60.0
_FEWEST = 5


@dataclass(frozen=True)
class SoakRecord:
    """
    Everything a soak test measured.

    ``outcomes`` are of the type ``nodes.trials.soak_stage.Outcome``; the annotations do not name
    it, because importing it needs ROS 2. ``diagnostics`` are the last ones of the node. ``ending``
    says why the process ended too early, empty if it did not; ``exit_code`` is that after SIGINT.
    ``lowest_age_ms`` is the lowest age of an output in the diagnostics, NaN without any.
    """

    seed: int
    model: str
    device: str
    elapsed_s: float
    outcomes: tuple[Any, ...]
    usage: tuple[Usage, ...]
    status_ok: bool
    status: str
    diagnostics: dict[str, str]
    lowest_age_ms: float
    strange_stamps: int
    tracebacks: int
    ending: str
    exit_code: int | None


@dataclass(frozen=True)
class Criterion:
    """One promise: what was found, what is allowed, and whether it holds."""

    name: str
    found: str
    allowed: str
    holds: bool


def judge(record: SoakRecord) -> tuple[Criterion, ...]:
    """Return every promise with its verdict."""
    usage = after_warm_up(record.usage)
    return (
        _judge_growth('memory, MB', [item.memory_mb for item in usage], MEMORY_TOLERANCE),
        *_judge_device_memory(record.outcomes),
        _judge_growth('threads', [item.threads for item in usage]),
        _judge_growth('open files', [item.descriptors for item in usage]),
        *_judge_faults(record.outcomes),
        Criterion('lowest age of an output', _milliseconds(record.lowest_age_ms),
                  'not negative', record.lowest_age_ms >= 0),
        _none('outputs with a stamp that no image had', record.strange_stamps),
        _none("tracebacks in the node's log", record.tracebacks),
        Criterion('diagnostics at the end', record.status, 'OK', record.status_ok),
        _judge_end(record),
    )


def after_warm_up(usage: Sequence[Usage]) -> list[Usage]:
    """Return the samples after the first minute, or after the first third of a shorter soak."""
    start_s = min(_LONGEST_WARM_UP_S, usage[-1].at_s / 3) if usage else 0.0
    return [item for item in usage if item.at_s >= start_s]


def _judge_device_memory(outcomes: Sequence[Any]) -> list[Criterion]:
    """Judge the memory of the GPU after each fault; nothing without a GPU."""
    found = [outcome.device_memory_mb for outcome in outcomes]
    if not any(map(math.isfinite, found)):
        return []
    return [_judge_growth('memory of the device, MB', found[len(found) // 3:], MEMORY_TOLERANCE)]


def _judge_growth(name: str, found: Sequence[float], tolerance: float = 0.0) -> Criterion:
    """
    Compare the 95th percentiles of the first and the second half of samples.

    Percentiles, because a node takes less while it is inactive, and more while it loads a model.
    """
    allowed = f'at most {100 * tolerance:.0f} % more' if tolerance else 'no more'
    half = len(found) // 2
    if half < _FEWEST:
        return Criterion(name, 'too few samples', allowed, False)
    before, after = (float(np.percentile(some, 95)) for some in (found[:half], found[half:]))
    text = f'{before:.0f} in the first half, then {after:.0f} ({after / before - 1:+.1%})'
    return Criterion(name, text, allowed, after <= (1 + tolerance) * before)


def _judge_faults(outcomes: Sequence[Any]) -> tuple[Criterion, Criterion]:
    back = [outcome for outcome in outcomes if outcome.came_back]
    slowest = max((outcome.recovery_s for outcome in back), default=math.nan)
    problems = sum(len(outcome.problems) for outcome in outcomes)
    return (
        Criterion('outputs back after a fault', f'{len(back)} of {len(outcomes)}, slowest after '
                  f'{slowest:.1f} s', 'every time', 0 < len(back) == len(outcomes)),
        _none('wrong responses to faults', problems),
    )


def _judge_end(record: SoakRecord) -> Criterion:
    found = f'exit code {record.exit_code} after SIGINT'
    if record.ending:
        found = f'ended by itself with code {record.exit_code}'
    return Criterion('the process', found, 'exit code 0 after SIGINT',
                     not record.ending and record.exit_code == 0)


def _none(name: str, count: int) -> Criterion:
    return Criterion(name, str(count), 'none', count == 0)


def _milliseconds(value: float) -> str:
    return f'{value:.1f} ms' if math.isfinite(value) else 'none came'


def by_fault(outcomes: Sequence[Any]) -> dict[str, list[Any]]:
    """Return the outcomes of each fault by its name, in order of names."""
    names = sorted({outcome.name for outcome in outcomes})
    return {name: [item for item in outcomes if item.name == name] for name in names}


def as_values(record: SoakRecord) -> dict[str, Any]:
    """Return the record with its verdict as it is written to the JSON file."""
    criteria = judge(record)
    return {**asdict(record), 'criteria': [asdict(item) for item in criteria],
            'holds': all(item.holds for item in criteria)}
