"""A Ray to run workers on: one of this machine, for the length of a pool, or a cluster."""

from contextlib import contextmanager, ExitStack
from dataclasses import dataclass
import math
import os
from pathlib import Path
import shutil
import signal
import tempfile
import threading
from typing import Any, Callable, Iterator

from mtshare_ros.errors import FleetError, import_extra

_LONGEST_FOLDER = 40
"""Ray's sockets lie in the folder; a path of a socket has at most 107 bytes."""

_QUIET = {
    # Without it Ray prints lines of its own for each worker that dies.
    'RAY_DEDUP_LOGS_SKIP_REGEX': '.',
    'RAY_USAGE_STATS_ENABLED': '0',
    # Workers without a GPU see none, and Ray does not announce that this will change.
    'RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO': '1',
}
_OBJECT_STORE_BYTES = 100_000_000


@dataclass(frozen=True)
class RaySession:
    """A connected Ray: its module, the URL of its dashboard ('' without) and its folder."""

    ray: Any
    dashboard: str
    folder: Path | None


@contextmanager
def local_ray(
    cpus: int, folder: Path | None, dashboard: bool, say: Callable[[str], None]
) -> Iterator[RaySession]:
    """
    Start a Ray on this machine; it ends with the block, and also if this process is killed.

    It keeps its files in a temporary folder (in ``folder``, where given), which is removed unless
    the block raises. Call it in the main thread, or in one that lives as long as the block: the
    processes of Ray end with the thread that started them.
    """
    ray = _import_ray()
    own = _temporary_folder(folder)
    try:
        with _connected(ray, address='local', num_cpus=cpus, include_dashboard=dashboard,
                        object_store_memory=_OBJECT_STORE_BYTES, _temp_dir=str(own)) as context:
            yield RaySession(ray, _url(context), own)
    except Exception:
        say(f'what Ray and the workers wrote is in {own}/session_latest/logs')
        raise
    except BaseException:
        shutil.rmtree(own, ignore_errors=True)
        raise
    shutil.rmtree(own, ignore_errors=True)


@contextmanager
def joined_ray(address: str) -> Iterator[RaySession]:
    """Join a cluster, which goes on after the block; raise FleetError if it cannot be reached."""
    ray = _import_ray()
    with ExitStack() as stack:
        try:
            context = stack.enter_context(_connected(ray, address=address))
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            raise FleetError(f'--address {address}: the cluster cannot be joined: {error}'
                             ) from error
        yield RaySession(ray, _url(context), None)


def usable_cpus() -> int:
    """Return how many CPUs this process may use: its affinity, and the quota of its container."""
    count = len(os.sched_getaffinity(0))
    try:
        quota, period = Path('/sys/fs/cgroup/cpu.max').read_text(encoding='ascii').split()
        return count if quota == 'max' else max(1, min(count, math.ceil(int(quota) / int(period))))
    except (OSError, ValueError):
        return count


def _import_ray() -> Any:
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)  # read when Ray is imported
    return import_extra('ray', 'a fleet', 'fleet')


def _temporary_folder(folder: Path | None) -> Path:
    if folder is None and len(tempfile.gettempdir()) + 20 > _LONGEST_FOLDER:
        folder = Path('/tmp')
    own = Path(tempfile.mkdtemp(prefix='mtshare_', dir=folder)).resolve()
    if len(str(own)) > _LONGEST_FOLDER:
        own.rmdir()
        raise FleetError(f'{own.parent}: too long a path for the sockets of Ray; allowed are '
                         f'{_LONGEST_FOLDER - len(own.name) - 1} characters')
    return own


@contextmanager
def _connected(ray: Any, **settings: Any) -> Iterator[Any]:
    """Connect, keep what the caller does at SIGTERM, and disconnect."""
    main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM)
    try:
        context = ray.init(log_to_driver=False, logging_level='ERROR', **settings)
        if main:
            # Ray has set its own. By default a process that gets SIGTERM ends at once.
            signal.signal(signal.SIGTERM, _exit if before is signal.SIG_DFL else before)
        yield context
    finally:
        ray.shutdown()
        if main:
            signal.signal(signal.SIGTERM, before)


def _exit(number: int, frame: object) -> None:
    raise SystemExit(128 + number)


def _url(context: Any) -> str:
    return f'http://{context.dashboard_url}' if context.dashboard_url else ''
