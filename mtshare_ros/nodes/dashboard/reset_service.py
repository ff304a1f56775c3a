"""The perception node's services that make it forget what it remembers of a camera."""

from typing import Any, Callable, Iterable

from rclpy.node import Node
from std_srvs.srv import Trigger

from mtshare_ros.nodes.dashboard.service_calls import ServiceCalls


class ResetServices:
    """``reset_cache`` of a node, one service for each camera."""

    def __init__(
        self, node: Node, target: str, cameras: Iterable[str], calls: ServiceCalls
    ) -> None:
        self._calls = calls
        self._clients = {
            camera: node.create_client(
                Trigger, '/'.join(filter(None, [target, camera, 'reset_cache'])))
            for camera in cameras
        }

    def obstacles(self) -> dict[str, str]:
        """Return by camera why its service cannot be called now, or an empty text."""
        return {
            camera: '' if client.service_is_ready()
            else f'nobody offers the service {client.srv_name}'
            for camera, client in self._clients.items()
        }

    def call(self, camera: str, reply: Callable[[str], None]) -> None:
        """Have a camera begin anew; ``reply`` gets the reason why it did not, or ''."""
        self._calls.call(
            self._clients[camera], Trigger.Request(),
            lambda response: reply(_problem(response)), reply)


def _problem(response: Any) -> str:
    return '' if response.success else response.message or 'the node gave no reason'
