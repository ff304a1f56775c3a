"""Saying that the node cannot keep up, and what would help."""

from mtshare_ros.nodes.perception.frame_statistics import RecentFlow

_FEWEST = 10
"""Images that must have come before anything is said."""


def describe_overload(flow: RecentFlow, latency_target_ms: float) -> str:
    """
    Return why a camera is more than the node can serve, or an empty text.

    That is so where most images are dropped, or where ``latency_target_ms`` (0.0 is off) is missed
    in spite of the budget that it sets.
    """
    if flow.received < _FEWEST:
        return ''
    if 2 * flow.dropped > flow.received:
        return (
            f'{flow.published_hz:.1f} of {flow.received_hz:.1f} images a second are computed, the '
            f'others dropped; set max_rate to what is reached, raise temporal.threshold, or give '
            f'the node a faster device'
        )
    if 0 < latency_target_ms < flow.inference_ms_p95:
        return (
            f'inference takes {flow.inference_ms_p95:.1f} ms (p95), latency_target_ms is '
            f'{latency_target_ms:.1f}; raise it, or temporal.max_age, or temporal.threshold'
        )
    return ''
