"""Running one node from the command line until it is told to stop."""

import signal
import sys
from typing import Callable

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.utilities import remove_ros_args, try_shutdown

from mtshare_ros.errors import MtshareError
from mtshare_ros.nodes.guarded_services import guard_services

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# An idle executor that spins without a limit can miss SIGTERM.
_SPIN_LIMIT_S = 0.5


def run_node(make_node: Callable[[], Node], arguments: list[str] | None = None) -> int:
    """
    Make a node, spin it until SIGINT or SIGTERM, and return the exit code.

    The code is 0 after a signal, 1 where the node could not be made for a reason that the user
    can mend, and 2 for arguments that are not ROS arguments.
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
    # First of all: an executor that a signal interrupts as it is made leaves a traceback.
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
        # Shutting down pulls the context from under whatever rclpy was doing.
        if rclpy.ok():
            raise
    finally:
        _ignore_signals()
        executor.shutdown(timeout_sec=2.0)
        if node is not None:
            node.destroy_node()
    return 0


def _ignore_signals() -> None:
    """Let nothing interrupt the end; launch and a terminal can both deliver the same signal."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _refuse(text: str, code: int) -> int:
    rclpy.logging.get_logger('mtshare_ros').fatal(text)
    return code
