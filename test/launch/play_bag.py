"""
A stand-in for ``ros2 bag play``, which the ROS wheels do not bring.

It publishes the messages of a bag and its clock in a loop, as the real one does with ``--loop``,
and understands what replay.launch.py asks of it and no more.
"""

import argparse
import os
from pathlib import Path
import signal
import sys
import time

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bag_files import read_bytes  # noqa: E402
import rclpy  # noqa: E402
from rclpy.time import Time  # noqa: E402
from rosgraph_msgs.msg import Clock  # noqa: E402
from sensor_msgs.msg import CameraInfo, Image  # noqa: E402

TYPES = {'/camera/image_raw': Image, '/camera/camera_info': CameraInfo}


def parse(words):
    parser = argparse.ArgumentParser()
    parser.add_argument('words', nargs=2)
    parser.add_argument('bag')
    parser.add_argument('--clock', action='store_true', required=True)
    parser.add_argument('--rate', type=float)
    parser.add_argument('--start-offset', type=float)
    parser.add_argument('--disable-keyboard-controls', action='store_true')
    parser.add_argument('--loop', action='store_true')
    return parser.parse_args(words)


def play(bag, rate):
    """Publish everything in the order of its times until this process is told to stop."""
    node = rclpy.create_node('bag_player')
    clock = node.create_publisher(Clock, '/clock', 1)
    publishers = {topic: node.create_publisher(kind, topic, 1) for topic, kind in TYPES.items()}
    messages = sorted((time_ns, topic, data) for topic, items in read_bytes(bag).items()
                      if topic in TYPES for time_ns, data in items)
    while True:
        for time_ns, topic, data in messages:
            clock.publish(Clock(clock=Time(nanoseconds=time_ns).to_msg()))
            publishers[topic].publish(data)
            time.sleep(0.05 / rate)


if __name__ == '__main__':
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: os._exit(0))
    options = parse(sys.argv[1:])
    rclpy.init(signal_handler_options=rclpy.signals.SignalHandlerOptions.NO)
    play(options.bag, options.rate)
