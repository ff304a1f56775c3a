"""A Ray to run workers on: one of this machine, for the length of a pool, or a cluster."""

from contextlib import contextmanager, ExitStack, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
import math
import os
from pathlib import Path
import secrets
import signal
import socket
import sys
import threading
from typing import Any, Callable, Collection, Iterator

from mtshare_ros.errors import FleetError, import_extra
from mtshare_ros.fleet.ray_folder import ray_folder, RayFolder
from mtshare_ros.fleet.ray_services import needed_services_only

_CONNECT_S = 10.0
_STARTS = 4
_KILL_S = 10.0
_OBJECT_STORE_BYTES = 100_000_000
_CONTROL_GROUP = Path('/sys/fs/cgroup')
_QUOTAS = (('cpu.max',), ('cpu/cpu.cfs_quota_us', 'cpu/cpu.cfs_period_us'))
"""Files with the microseconds of CPU time in a period, and the period: versions 2 and 1."""

_VARIABLES = {
    # Without it Ray prints long lines of its own for each worker that dies.
    'RAY_DEDUP_LOGS_SKIP_REGEX': '.',
    'RAY_USAGE_STATS_ENABLED': '0',
    # Ray gives its workers a lower priority than itself and all other programs; beside a single
    # busy program, frames took a tenth longer then.
    'RAY_worker_niceness': '0',
    # Workers without a GPU see none, and Ray does not announce that this will change.
    'RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO': '1',
}
"""Read when Ray is imported; what the user has set stays."""


@dataclass
class RaySession:
    """
    A connected Ray: its module, the URL of its dashboard ('' without), where its logs are.

    ``keep_logs`` can be set, if the user will want to read them. ``process`` is the one of Ray
    that starts and watches the workers, of a Ray on this machine.
    """

    ray: Any
    dashboard: str
    logs: Path | None = None
    keep_logs: bool = False
    process: Any = None

    def check(self) -> None:
        """Raise FleetError if Ray has ended; a while later it would end this process as well."""
        if self.process is None:
            return
        psutil = import_extra('psutil', 'a fleet', 'fleet')
        try:
            ended = self.process.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            ended = True
        if ended:
            self.keep_logs = True
            raise FleetError('Ray on this machine has ended, because it was killed or crashed; '
                             'run the command again')


@contextmanager
def local_ray(
    cpus: int, folder: Path | None, dashboard: bool, say: Callable[[str], None]
) -> Iterator[RaySession]:
    """
    Start a Ray on this machine, for workers on so many CPUs.

    It ends with the block; if this process is killed, it ends within seconds, too. What it writes
    is in a temporary folder (in ``folder``, where given), which is removed in the end unless
    ``keep_logs`` was set. Call it in the main thread, or in one that lives as long as the block:
    the processes of Ray end with the thread that started them.
    """
    if 'ray' not in sys.modules:
        # Ray listens on every interface, and would keep a token in the home, if it can write there
        os.environ.setdefault('RAY_AUTH_MODE', 'token')
        os.environ.setdefault('RAY_AUTH_TOKEN', secrets.token_hex(32))
    ray = _import_ray()
    with ray_folder(folder, say) as own:
        settings = {'num_cpus': cpus, 'object_store_memory': _OBJECT_STORE_BYTES,
                    'include_dashboard': dashboard, '_temp_dir': str(own.path)}
        with _connected(ray, partial(_start, ray, own, settings)) as context:
            raylet = next((child for child in _children() if child.name() == 'raylet'), None)
            session = RaySession(ray, _url(context), own.logs, process=raylet)
            try:
                yield session
            finally:
                own.keep = session.keep_logs


@contextmanager
def joined_ray(address: str, say: Callable[[str], None]) -> Iterator[RaySession]:
    """Join a cluster, which goes on after the block; raise FleetError if it cannot be reached."""
    ray = _import_ray()
    _check_reachable(address)
    with ExitStack() as stack:
        try:
            context = stack.enter_context(_connected(ray, partial(_init, ray, address)))
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            # where Ray or Python have other versions there, Ray's text names those of both sides
            raise FleetError(f'--address {address}: the cluster cannot be joined: '
                             f'{" ".join(str(error).split())}') from error
        session = RaySession(ray, _url(context))
        try:
            yield session
        finally:
            if session.keep_logs:
                say('what the workers wrote is in the logs of Ray on their machines, by default '
                    'in /tmp/ray/session_latest/logs')


def is_connected() -> bool:
    """Return whether this process has connected to a Ray itself, before the pool."""
    return 'ray' in sys.modules and sys.modules['ray'].is_initialized()


@contextmanager
def present_ray() -> Iterator[RaySession]:
    """Use the Ray that this process is connected to, and leave it as it is."""
    yield RaySession(_import_ray(), '')


def usable_cpus() -> int:
    """Return how many CPUs this process may use: its affinity, and the quota of its container."""
    count = len(os.sched_getaffinity(0))
    for names in _QUOTAS:
        try:
            text = ' '.join((_CONTROL_GROUP / name).read_text(encoding='ascii') for name in names)
            quota, period = (int(word) for word in text.split())
        except (OSError, ValueError):  # another kind of control group, or no quota
            continue
        if quota > 0 and period > 0:
            return max(1, min(count, math.ceil(quota / period)))
    return count


def _import_ray() -> Any:
    for name, value in _VARIABLES.items():
        os.environ.setdefault(name, value)
    return import_extra('ray', 'a fleet', 'fleet')


def _check_reachable(address: str) -> None:
    """Refuse a host that does not answer at once; Ray would try for minutes."""
    host, colon, port = address.removeprefix('ray://').partition('/')[0].rpartition(':')
    if not colon or not port.isdecimal():  # auto, or something that Ray refuses
        return
    try:
        socket.create_connection((host.strip('[]'), int(port)), _CONNECT_S).close()
    except OSError as error:
        raise FleetError(f'--address {address}: nothing answers at {host}, port {port} ({error}); '
                         'is it the head of a Ray cluster? See: ray start --help') from error


def _start(ray: Any, own: RayFolder, settings: dict[str, Any]) -> Any:
    """
    Start a Ray on this machine and connect; raise FleetError where that fails several times.

    Parts of Ray give up when others are not up within 15 s, as on a machine with much else to do.
    """
    others = set(_children())
    # the server of the dashboard needs all of them
    services = nullcontext if settings['include_dashboard'] else partial(needed_services_only, ray)
    reason = ''
    for _ in range(_STARTS):
        try:
            with services():
                return _init(ray, 'local', **settings)
        except Exception as error:  # of no narrower class
            reason = ' '.join(str(error).split())
            ray.shutdown()
            _end(set(_children()) - others)  # what a failed start leaves
    own.keep = True
    raise FleetError(f'Ray could not be started on this machine, {_STARTS} times in a row; the '
                     f'last time: {reason}')


def _children() -> list[Any]:
    """Return the processes that this one started, directly or not."""
    return import_extra('psutil', 'a fleet', 'fleet').Process().children(recursive=True)


def _end(processes: Collection[Any]) -> None:
    psutil = import_extra('psutil', 'a fleet', 'fleet')
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, timeout=_KILL_S)


def _init(ray: Any, address: str, **settings: Any) -> Any:
    if not address.startswith('ray://'):
        # Otherwise workers search the folder that the command was typed in for modules first.
        settings['job_config'] = ray.job_config.JobConfig(_client_job=True)
    return ray.init(address, log_to_driver=False, logging_level='ERROR', **settings)


@contextmanager
def _connected(ray: Any, connect: Callable[[], Any]) -> Iterator[Any]:
    """Connect, keep what the caller does at SIGTERM, and disconnect."""
    main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM)
    try:
        context = connect()
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
