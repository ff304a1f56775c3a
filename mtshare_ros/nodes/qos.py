"""The qualities of service of the topics, by name."""

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

_SAMPLES_KEPT = 100
"""Of an IMU at 400 Hz, what comes during four images of a camera."""


def newest_only(reliability: ReliabilityPolicy) -> QoSProfile:
    """Return a profile that keeps the last message; a queue of images is only delay."""
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1, reliability=reliability)


def sensor_input() -> QoSProfile:
    """Return the profile of camera subscriptions: best effort, which every publisher matches."""
    return newest_only(ReliabilityPolicy.BEST_EFFORT)


def image_output() -> QoSProfile:
    """Return the profile of publishers: reliable, which every subscriber matches."""
    return newest_only(ReliabilityPolicy.RELIABLE)


def latched_output() -> QoSProfile:
    """Return the profile of what is published once: subscribers that come later get it too."""
    profile = image_output()
    profile.durability = DurabilityPolicy.TRANSIENT_LOCAL
    return profile


def every_sample() -> QoSProfile:
    """Return the profile of a fast sensor's subscription: samples that wait are not replaced."""
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
