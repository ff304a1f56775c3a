"""The quality of service of the topics."""

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

_SAMPLES_KEPT = 100
"""Samples that a 400 Hz IMU sends in 250 ms."""


def newest_only(reliability: ReliabilityPolicy) -> QoSProfile:
    """Return a profile that keeps the last message; a queue of images is only delay."""
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1, reliability=reliability)


def sensor_input() -> QoSProfile:
    """Return the profile of camera subscriptions: best effort, which matches every publisher."""
    return newest_only(ReliabilityPolicy.BEST_EFFORT)


def image_output() -> QoSProfile:
    """Return the profile of publishers: reliable, which matches every subscriber."""
    return newest_only(ReliabilityPolicy.RELIABLE)


def latched_output() -> QoSProfile:
    """Return the profile of what is published once: subscribers that come later get it too."""
    profile = image_output()
    profile.durability = DurabilityPolicy.TRANSIENT_LOCAL
    return profile


def every_sample() -> QoSProfile:
    """Return the profile of a fast sensor's subscription, which keeps waiting samples."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST, depth=_SAMPLES_KEPT,
        reliability=ReliabilityPolicy.BEST_EFFORT)


def transforms(*, static: bool = False) -> QoSProfile:
    """Return the profile that tf2 publishes transforms for; ``static`` ones are latched."""
    profile = every_sample()
    profile.reliability = ReliabilityPolicy.RELIABLE
    if static:
        profile.durability = DurabilityPolicy.TRANSIENT_LOCAL
    return profile
