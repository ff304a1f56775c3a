"""
Services that answer whatever they are asked.

An exception in the callback of a service leaves the executor and ends the process, and rclpy's
own parameter services raise one for a parameter of a type that does not exist.
"""

from typing import Any, Callable

from rcl_interfaces.msg import SetParametersResult
from rcl_interfaces.srv import SetParameters, SetParametersAtomically
from rclpy.node import Node
from rclpy.service import Service


def guard_services(node: Node) -> None:
    """Let the services that a node has by now refuse what they cannot read."""
    for service in node.services:
        service.callback = _guarded(node, service, service.callback)


def _guarded(
    node: Node, service: Service, callback: Callable[[Any, Any], Any]
) -> Callable[[Any, Any], Any]:
    def answer(request: Any, response: Any) -> Any:
        try:
            return callback(request, response)
        except Exception as error:  # noqa: B902
            reason = f'the request cannot be read: {error}'
            node.get_logger().warning(
                f'refused a request to {service.srv_name}: {reason}', throttle_duration_sec=10.0)
            return _refuse(request, response, reason)

    return answer


def _refuse(request: Any, response: Any, reason: str) -> Any:
    """Return the response with a refusal where it has room for one; results so far are true."""
    refusal = SetParametersResult(successful=False, reason=reason)
    if isinstance(response, SetParametersAtomically.Response):
        response.result = refusal
    elif isinstance(response, SetParameters.Response):
        done = list(response.results)
        response.results = done + [refusal] * (len(request.parameters) - len(done))
    return response
