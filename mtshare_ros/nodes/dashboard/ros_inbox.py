"""The way from the web thread into the executor's."""

from collections import deque
from typing import Callable

from rclpy.node import Node


class RosInbox:
    """
    Runs functions in the executor's thread, in the order they came.

    rclpy's entities are made, used and destroyed in that thread only. It never holds more than
    what the open pages asked for since the executor last looked.
    """

    def __init__(self, node: Node) -> None:
        self._functions: deque[Callable[[], None]] = deque()
        self._bell = node.create_guard_condition(self._run)

    def post(self, function: Callable[[], None]) -> None:
        """Have a function run soon; for any thread."""
        self._functions.append(function)
        self._bell.trigger()

    def _run(self) -> None:
        while self._functions:
            self._functions.popleft()()
