"""What a Ray on one machine can do without: left out, it starts sooner and takes less memory."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
import random
import socket
from typing import Any

_TRIED = ('2.60.',)
"""Versions of Ray that were tried like this; any other is started as it is by itself."""

_UNUSED = ('start_monitor', 'start_log_monitor', 'start_api_server')
"""
Methods of Ray's class Node that start a process each, one after the other.

They ask for more machines where a cluster has too few, copy what workers print to the driver (the
pool reads it in their logs), and serve the dashboard, also where it is off.
"""

_NO_SERVICE = -1
_PORTS = range(10_240, 32_768)
"""Ports that Linux does not give to programs that ask for any."""


@contextmanager
def needed_services_only(ray: Any) -> Iterator[None]:
    """
    Have a Ray that is started in the block start without what the workers do not need.

    Nor do its workers wait for the agents of Ray, which serve the dashboard and environments of
    tasks, and which have to be up within 15 s otherwise.
    """
    if not ray.__version__.startswith(_TRIED):
        yield
        return
    # not a public part of Ray, which has no option for it; hence the versions
    node = ray._private.node.Node
    methods = {name: getattr(node, name) for name in (*_UNUSED, 'start_raylet')}
    for name in _UNUSED:
        setattr(node, name, _start_nothing)
    start_raylet = partial(_start_raylet, ray._raylet, methods['start_raylet'])
    node.start_raylet = lambda *arguments, **options: start_raylet(*arguments, **options)
    try:
        yield
    finally:
        for name, method in methods.items():
            setattr(node, name, method)


def _start_nothing(node: Any, **options: Any) -> None:
    """Stand in for a method that starts a service."""


def _start_raylet(
    raylet: Any, start: Callable[..., None], node: Any, *arguments: Any, **options: Any
) -> None:
    """Write the files with the ports of the agents, for which the raylet waits, and start it."""
    port = _free_port()
    node._ray_params.runtime_env_agent_port = port
    for name, number in ((raylet.RUNTIME_ENV_AGENT_PORT_NAME, port),
                         (raylet.METRICS_AGENT_PORT_NAME, _NO_SERVICE),
                         (raylet.METRICS_EXPORT_PORT_NAME, _NO_SERVICE),
                         (raylet.DASHBOARD_AGENT_LISTEN_PORT_NAME, _NO_SERVICE)):
        raylet.persist_port(node.get_session_dir_path(), node.node_id, name, number)
    start(node, *arguments, **options)


def _free_port() -> int:
    while True:
        port = random.choice(_PORTS)
        with socket.socket() as free:
            try:
                free.bind(('', port))
            except OSError:
                continue
        return port
