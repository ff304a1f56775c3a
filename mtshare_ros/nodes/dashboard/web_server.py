"""The web server in a thread of its own, and the dashboard that it serves."""

import asyncio
import errno
import socket
import threading
from typing import Callable

from rclpy.node import Node
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application

from mtshare_ros.errors import ConfigError
from mtshare_ros.nodes.dashboard.channels import list_channels
from mtshare_ros.nodes.dashboard.handlers import grant_access, make_application
from mtshare_ros.nodes.dashboard.hub import Audience, Hub
from mtshare_ros.nodes.dashboard.parameter_table import DashboardSettings
from mtshare_ros.nodes.dashboard.perception_link import PerceptionLink

_STOP_LIMIT_S = 1.0


class WebServer:
    """
    Listens when it is made, serves when it is started, until it is closed.

    Raises ConfigError where the address cannot be listened on. ``post`` may be called from any
    thread at any time.
    """

    def __init__(self, address: str, port: int) -> None:
        # In this thread, so that the start of the node tells of a port that is in use.
        self._sockets = _listen(address, port)
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name='web', daemon=True)
        self._application: Application | None = None

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._sockets[0].getsockname()[1])

    def start(self, application: Application) -> None:
        """Begin to answer requests."""
        self._application = application
        self._thread.start()

    def post(self, function: Callable[[], None]) -> None:
        """Run a function in the web thread; after ``close`` it is dropped."""
        try:
            self._loop.call_soon_threadsafe(function)
        except RuntimeError:  # the loop is closed
            return

    def close(self) -> None:
        """End the connections and the thread."""
        if self._thread.is_alive():
            self.post(self._stop.set)
            self._thread.join(_STOP_LIMIT_S)
        # Also where the thread never started or did not end in time.
        for item in self._sockets:
            item.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        server = HTTPServer(self._application)
        server.add_sockets(self._sockets)
        await self._stop.wait()
        server.stop()
        await _end_connections()


async def _end_connections() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=_STOP_LIMIT_S / 2)


def _listen(address: str, port: int) -> list[socket.socket]:
    try:
        return bind_sockets(port, address)
    except OSError as error:
        raise ConfigError(_why_not(error, address, port)) from error


def _why_not(error: OSError, address: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return (f'port {port} on {address} is in use by another program, perhaps another '
                'dashboard; end that one, or set the parameter port to another number '
                '(0 takes a free one)')
    if error.errno == errno.EACCES:
        return f'port {port} is only for root; set the parameter port to one above 1023'
    return (f'cannot listen on address {address!r}: {error.strerror}; set the parameter address '
            'to one of this machine, or to 0.0.0.0 for all of them')


class Dashboard:
    """
    Serves the page from construction to ``close``; ``url`` is where.

    Raises ConfigError where the address cannot be listened on or the label set is unknown.
    """

    def __init__(self, node: Node, settings: DashboardSettings) -> None:
        access = grant_access(settings)
        self._server = WebServer(settings.address, settings.port)
        namespace = node.resolve_topic_name(settings.node).rpartition('/')[0]
        channels = list_channels(namespace, settings.cameras)
        hub = Hub(channels, self._server.post)
        audience = Audience(hub, self._server.post)
        hub.connect(PerceptionLink(node, settings, channels, audience))
        self._server.start(make_application(access, hub))
        address = settings.address
        host = f'[{address}]' if ':' in address else address  # IPv6 needs brackets in a URL
        self.url = f'http://{host}:{self._server.port}/' + (
            f'?token={access.token}' if access.token else '')

    def close(self) -> None:
        """End the server and its thread."""
        self._server.close()
