"""Camera, listener and client of a perception node in one, inside a command."""

import time
from typing import Any, Callable, Iterable

import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor

from mtshare_ros.nodes.perception.outputs import offered_outputs
from mtshare_ros.nodes.trials.trial_camera import Look, TrialCamera
from mtshare_ros.nodes.trials.trial_listener import TrialListener
from mtshare_ros.tasks import DEFAULT_TASKS

_SPIN_LIMIT_S = 0.05


class Trial:
    """
    The surroundings of a perception node in the same namespace, while it is entered.

    ``tasks`` are those of the node's model, ``relative`` tells whether its depth is; these say
    what it publishes: ``topics``. Signals stay
    with the command. ``tick`` is called at least twenty times a second while messages
    are handled; what it raises ends the waiting.
    """

    def __init__(
        self, *, namespace: str, tasks: Iterable[str] = DEFAULT_TASKS, relative: bool = False,
        tick: Callable[[], None] = lambda: None, look: Look | None = None,
    ) -> None:
        self.topics = tuple(
            output.topic for output in offered_outputs(tasks, relative) if not output.latched)
        self._context = Context()
        rclpy.init(context=self._context)
        self.node = rclpy.create_node('trial', context=self._context, namespace=namespace)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._tick = tick
        self.camera = TrialCamera(self.node, look or Look())
        self.listener = TrialListener(self.node, self.camera.sent, self.topics)

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
        self, limit_s: float, topics: Iterable[str] | None = None
    ) -> float:
        """
        Wait until the topics, by default all, show an image sent from now on.

        Returns seconds, NaN where one did not.
        """
        since_s = time.monotonic()
        topics = self.topics if topics is None else tuple(topics)
        came = self.wait(lambda: self.listener.has_heard(topics, since_s), limit_s)
        return time.monotonic() - since_s if came else float('nan')
