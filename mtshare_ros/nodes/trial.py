"""Camera, listener and client of a perception node in one, inside a command."""

import time
from typing import Any, Callable, Iterable

import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor

from mtshare_ros.nodes.demo_monitor import OUTPUT_TOPICS
from mtshare_ros.nodes.trial_camera import Look, TrialCamera
from mtshare_ros.nodes.trial_listener import TrialListener

_SPIN_LIMIT_S = 0.05


class Trial:
    """
    The surroundings of a perception node in the same namespace, while it is entered.

    Signals stay with the command. ``tick`` is called at least twenty times a second while messages
    are handled; what it raises ends the waiting.
    """

    def __init__(
        self, *, namespace: str, tick: Callable[[], None] = lambda: None,
        look: Look | None = None,
    ) -> None:
        self._context = Context()
        rclpy.init(context=self._context)
        self.node = rclpy.create_node('trial', context=self._context, namespace=namespace)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._tick = tick
        self.camera = TrialCamera(self.node, look or Look())
        self.listener = TrialListener(self.node, self.camera.sent)

    def __enter__(self) -> 'Trial':
        return self

    def __exit__(self, *error: object) -> None:
        self._executor.shutdown(timeout_sec=2.0)
        self.node.destroy_node()
        rclpy.shutdown(context=self._context)

    def spin(self, seconds: float) -> None:
        """Handle messages for a while."""
        self.wait(lambda: False, seconds)

    def wait(self, condition: Callable[[], Any], limit_s: float) -> bool:
        """Handle messages until a condition holds; return whether it did in time."""
        deadline = time.monotonic() + limit_s
        while not condition():
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                return False
            self._executor.spin_once(timeout_sec=min(left_s, _SPIN_LIMIT_S))
            self._tick()
        return True

    def wait_for_outputs(
        self, limit_s: float, topics: Iterable[str] = tuple(OUTPUT_TOPICS)
    ) -> float:
        """Wait until every topic shows an image sent from now on; return seconds, NaN if not."""
        since_s = time.monotonic()
        topics = tuple(topics)
        came = self.wait(lambda: self.listener.has_heard(topics, since_s), limit_s)
        return time.monotonic() - since_s if came else float('nan')
