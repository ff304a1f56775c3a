"""Running one node from the command line until it is told to stop."""

import signal
import sys
from typing import Any, Callable

from rcl_interfaces.msg import SetParametersResult
from rcl_interfaces.srv import SetParameters, SetParametersAtomically
import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.service import Service
from rclpy.utilities import remove_ros_args, try_shutdown

from mtshare_ros.errors import MtshareError

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# An idle executor that spins without a limit can miss SIGTERM.
_SPIN_LIMIT_S = 0.5


def run_node(make_node: Callable[[], Node], arguments: list[str] | None = None) -> int:
    """
    Make a node, spin it until SIGINT or SIGTERM, and return the exit code.

    The code is 0 after a signal, 1 where the node could not be made for a reason that the user
    can correct, and 2 for arguments that are not ROS arguments.
    """
    arguments = sys.argv if arguments is None else arguments
    unknown = remove_ros_args(arguments)[1:]
    if unknown:
        return _refuse(
            f'unknown argument {unknown[0]!r}: this program takes ROS arguments only, such as '
            f'--ros-args -p name:=value -r from:=to', 2,
        )
    # rclpy passes SIGINT on to Python, where it would interrupt any line; its own handler, which
    # ends the loop below, is enough.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    rclpy.init(args=arguments)
    try:
        return _run(make_node)
    finally:
        _ignore_signals()
        try_shutdown()


def _run(make_node: Callable[[], Node]) -> int:
    # Made before the node: a signal that interrupts the making of an executor leaves a traceback.
    executor = SingleThreadedExecutor()
    node: Node | None = None
    try:
        node = make_node()
        guard_services(node)
        executor.add_node(node)
        while rclpy.ok():
            executor.spin_once(timeout_sec=_SPIN_LIMIT_S)
    except MtshareError as error:
        return _refuse(str(error), 1)
    except ExternalShutdownException:
        pass
    except Exception:
        # A signal ends the context while rclpy is using it; what rclpy then raises is no fault.
        if rclpy.ok():
            raise
    finally:
        _ignore_signals()
        executor.shutdown(timeout_sec=2.0)
        if node is not None:
            node.destroy_node()
    return 0


def _ignore_signals() -> None:
    """Finish without interruption: launch and a terminal can both send the same signal."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _refuse(text: str, code: int) -> int:
    rclpy.logging.get_logger('mtshare_ros').fatal(text)
    return code


def guard_services(node: Node) -> None:
    """
    Let the services that a node has by now refuse requests that they cannot read.

    An exception in the callback of a service leaves the executor and ends the process, and rclpy's
    own parameter services raise one for a parameter of an unknown type.
    """
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
            return _refuse_request(request, response, reason)

    return answer


def _refuse_request(request: Any, response: Any, reason: str) -> Any:
    """Return the response; a response of a parameter service says that the rest is refused."""
    refusal = SetParametersResult(successful=False, reason=reason)
    if isinstance(response, SetParametersAtomically.Response):
        response.result = refusal
    elif isinstance(response, SetParameters.Response):
        done = list(response.results)
        response.results = done + [refusal] * (len(request.parameters) - len(done))
    return response
