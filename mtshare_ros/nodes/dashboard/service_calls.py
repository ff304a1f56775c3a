"""Calls of services of a node that may not answer, without waiting."""

from dataclasses import dataclass
import time
from typing import Any, Callable, Iterable

from rclpy.client import Client
from rclpy.node import Node
from rclpy.task import Future
from std_srvs.srv import Trigger

ANSWER_LIMIT_S = 3.0
"""How long an answer may take; the nodes usually answer within milliseconds."""


@dataclass(frozen=True)
class _Call:
    client: Client
    future: Future
    deadline_s: float
    failed: Callable[[str], None]


class ServiceCalls:
    """
    Requests whose answers have not come yet.

    Each ends in exactly one of two ways: ``done`` gets the response, or ``failed`` the reason why
    there is none. Call ``expire`` now and then.
    """

    def __init__(self, node: Node, clock: Callable[[], float] = time.monotonic) -> None:
        self._node = node
        self._clock = clock
        self._calls: dict[int, _Call] = {}
        self._count = 0

    def call(
        self, client: Client, request: Any, done: Callable[[Any], None],
        failed: Callable[[str], None],
    ) -> None:
        """Send a request; ``failed`` is called at once where no node offers the service."""
        if not client.service_is_ready():
            failed(f'no node offers the service {client.srv_name}')
            return
        self._count += 1
        number, future = self._count, client.call_async(request)
        deadline_s = self._clock() + ANSWER_LIMIT_S
        self._calls[number] = _Call(client, future, deadline_s, failed)
        future.add_done_callback(lambda _: self._finish(number, done))

    def expire(self) -> None:
        """Give up the requests that have waited too long."""
        late = [number for number, call in self._calls.items()
                if self._clock() > call.deadline_s]
        for number in late:
            call = self._calls.pop(number)
            # rclpy itself keeps a request until it is answered, which may be never.
            call.client.remove_pending_request(call.future)
            call.failed(f'no answer from {call.client.srv_name} within {ANSWER_LIMIT_S:g} s')

    def _finish(self, number: int, done: Callable[[Any], None]) -> None:
        call = self._calls.pop(number, None)
        if call is not None:
            done(call.future.result())


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
            else f'no node offers the service {client.srv_name}'
            for camera, client in self._clients.items()
        }

    def call(self, camera: str, reply: Callable[[str], None]) -> None:
        """Reset a camera; ``reply`` gets the reason why that failed, or ''."""
        self._calls.call(
            self._clients[camera], Trigger.Request(),
            lambda response: reply(
                '' if response.success else response.message or 'the node gave no reason'), reply)
