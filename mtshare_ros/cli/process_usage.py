"""What a process takes of the machine, sampled while it runs."""

from dataclasses import dataclass
from pathlib import Path
import time
from typing import Callable

from mtshare_ros.errors import MtshareError

_PERIOD_S = 0.5


@dataclass(frozen=True)
class Usage:
    """Resident memory, threads and open file descriptors, ``at_s`` seconds after the first."""

    at_s: float
    memory_mb: float
    threads: int
    descriptors: int


class UsageLog:
    """Samples of one process, which ``sample`` takes when it is time for one."""

    def __init__(self, pid: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._pid = pid
        self._clock = clock
        self._started_s = clock()
        self.samples: list[Usage] = []

    def elapsed_s(self) -> float:
        """Return the seconds since the log was begun."""
        return self._clock() - self._started_s

    def sample(self) -> None:
        """Take a sample, at most twice a second; a process that has ended gives none."""
        at_s = self.elapsed_s()
        if self.samples and at_s - self.samples[-1].at_s < _PERIOD_S:
            return
        usage = read_usage(self._pid, at_s)
        if usage is not None:
            self.samples.append(usage)


def require_proc() -> None:
    """Raise MtshareError where the system does not tell what its processes take."""
    if not Path('/proc/self/status').exists():
        raise MtshareError('/proc is missing: memory, threads and files of a process are read '
                           'from it; run this on Linux')


def read_usage(pid: int, at_s: float = 0.0) -> Usage | None:
    """Return what a process takes now, None where it has ended."""
    folder = Path('/proc', str(pid))
    try:
        status = dict(line.split(':', 1) for line in (folder / 'status').read_text().splitlines())
        descriptors = sum(1 for _ in (folder / 'fd').iterdir())
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    if 'VmRSS' not in status:  # it has ended, and nobody has asked for its exit code
        return None
    kilobytes = int(status['VmRSS'].split()[0])
    return Usage(at_s, kilobytes / 1024, int(status['Threads']), descriptors)
