"""The dashboard beside the demo: where it is, or why there is none."""

from importlib.util import find_spec
import socket

import typer

from mtshare_ros.errors import MtshareError

_ADDRESS = '127.0.0.1'
_PORTS = range(8080, 8180)


def choose_port(wanted: int | None) -> int | None:
    """
    Return the port of the dashboard, and say where it is; the first free one if none is wanted.

    Returns None, and says why, where its libraries are missing. Raises MtshareError where no port
    is free.
    """
    if find_spec('tornado') is None or find_spec('PIL') is None:
        typer.echo("no dashboard: tornado or Pillow is not installed: "
                   "pip install 'mtshare_ros[dashboard]'", err=True)
        return None
    port = wanted or _first_free_port()
    typer.echo(f'dashboard: http://{_ADDRESS}:{port}/   (--duration 0 keeps it open)')
    return port


def _first_free_port() -> int:
    for port in _PORTS:
        if _is_free(port):
            return port
    raise MtshareError(
        f'all ports from {_PORTS[0]} to {_PORTS[-1]} are in use; name another one with --port, or '
        'go without the dashboard: --no-dashboard')


def _is_free(port: int) -> bool:
    with socket.socket() as trial:
        # As the server does: connections that ended a moment ago do not hold the port.
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((_ADDRESS, port))
        except OSError:
            return False
    return True
