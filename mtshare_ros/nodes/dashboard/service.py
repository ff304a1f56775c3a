"""The parts of the dashboard put together."""

from rclpy.node import Node

from mtshare_ros.nodes.dashboard.access import grant_access
from mtshare_ros.nodes.dashboard.audience import Audience
from mtshare_ros.nodes.dashboard.channels import list_channels
from mtshare_ros.nodes.dashboard.handlers import make_application
from mtshare_ros.nodes.dashboard.hub import Hub
from mtshare_ros.nodes.dashboard.perception_link import PerceptionLink
from mtshare_ros.nodes.dashboard.settings import DashboardSettings
from mtshare_ros.nodes.dashboard.web_server import WebServer


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
        self.url = _url(settings.address, self._server.port, access.token)

    def close(self) -> None:
        """End the server and its thread."""
        self._server.close()


def _url(address: str, port: int, token: str) -> str:
    host = f'[{address}]' if ':' in address else address
    return f'http://{host}:{port}/' + (f'?token={token}' if token else '')
