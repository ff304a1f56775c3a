"""The stamps in the headers of messages, whatever library made them."""

from typing import Any


def nanoseconds_of(stamp: Any) -> int:
    """Return a stamp in nanoseconds, also a negative one, which rclpy's Time refuses."""
    return int(stamp.sec * 1_000_000_000 + stamp.nanosec)
