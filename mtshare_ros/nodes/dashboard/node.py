"""The dashboard node: a page in the browser that shows a perception node and sets it."""

from importlib.util import find_spec
import sys

from rclpy.node import Node

from mtshare_ros.errors import MissingExtraError
from mtshare_ros.nodes.dashboard.parameter_table import DASHBOARD_PARAMETERS, dashboard_settings
from mtshare_ros.nodes.parameters import ParameterServer
from mtshare_ros.nodes.spin import run_node

_EXTRA = {'tornado': 'tornado', 'PIL': 'Pillow'}
"""What the extra installs: the names to import, and those to install."""


class DashboardNode(Node):
    """
    Follows one perception node and serves the page.

    While no page is open it listens to diagnostics and parameter events only.
    """

    def __init__(self) -> None:
        _require_extra()
        # Imports what the line above looks for, so not at the top.
        from mtshare_ros.nodes.dashboard.web_server import Dashboard

        super().__init__('dashboard_node')
        self._dashboard: Dashboard | None = None
        parameters = ParameterServer(self, DASHBOARD_PARAMETERS, dashboard_settings)
        parameters.require_valid()
        self._dashboard = Dashboard(self, parameters.settings)
        self.get_logger().info(f'the dashboard is at {self._dashboard.url}')

    def destroy_node(self) -> None:
        """Stop the server first: its thread uses the node."""
        if self._dashboard is not None:
            self._dashboard.close()
        super().destroy_node()


def _require_extra() -> None:
    missing = [name for module, name in _EXTRA.items() if find_spec(module) is None]
    if missing:
        raise MissingExtraError(
            f'the dashboard needs {" and ".join(missing)}, which cannot be imported: '
            "pip install 'mtshare_ros[dashboard]'")


def main() -> int:
    """Run the dashboard until SIGINT or SIGTERM; return the exit code."""
    return run_node(DashboardNode)


if __name__ == '__main__':
    sys.exit(main())
