"""What the demo's processes find in their environment: DDS, a domain of their own, threads."""

import fcntl
from importlib import import_module
import os
from pathlib import Path
import tempfile
from typing import IO

from mtshare_ros.errors import MissingExtraError, MtshareError

_DOMAINS = range(1, 101)


def require_ros() -> None:
    """Raise MissingExtraError where ROS 2 cannot be used from this Python."""
    for module in ('rclpy', 'sensor_msgs.msg', 'diagnostic_msgs.msg'):
        try:
            import_module(module)
        except ImportError as error:
            raise MissingExtraError(
                f'the demo runs real ROS 2 nodes, and {module} cannot be imported ({error}); '
                'in a checkout `make demo` installs what is needed; with ROS 2 installed, source '
                'it first: source /opt/ros/<distribution>/setup.bash'
            ) from error


def prepare_environment() -> IO[str] | None:
    """
    Set variables of DDS and threads for this process and its children; what the user set stays.

    Returns the lock of the chosen ROS domain, to be kept open while it is used, or None where the
    user chose the domain.
    """
    from mtshare_ros.nodes.node_environment import node_environment

    os.environ.update(node_environment(os.environ))
    os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    if os.environ.get('ROS_DISTRO') == 'humble':
        os.environ.setdefault('ROS_LOCALHOST_ONLY', '1')
    # The camera computes, too. Threads of the node that wait for one which has no core spin, and
    # everything becomes many times slower: one core stays free for the camera.
    os.environ.setdefault('OMP_NUM_THREADS', str(max(1, len(os.sched_getaffinity(0)) - 1)))
    return None if os.environ.get('ROS_DOMAIN_ID') else _claim_domain()


def _claim_domain() -> IO[str]:
    """Take a ROS domain no other demo on this machine uses, and set ROS_DOMAIN_ID to it."""
    start = os.getpid() % len(_DOMAINS)
    for number in (*_DOMAINS[start:], *_DOMAINS[:start]):
        lock = _try_lock(Path(tempfile.gettempdir()) / f'mtshare_ros_domain_{number}.lock')
        if lock is not None:
            os.environ['ROS_DOMAIN_ID'] = str(number)
            return lock
    raise MtshareError(
        f'all ROS domains {_DOMAINS[0]} to {_DOMAINS[-1]} are taken by other demos; '
        'end one, or set ROS_DOMAIN_ID'
    )


def _try_lock(path: Path) -> IO[str] | None:
    try:
        file = path.open('a')
    except OSError:  # another user's
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file
