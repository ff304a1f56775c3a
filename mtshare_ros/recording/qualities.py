"""Qualities of service as bags hold them."""

from typing import Any, Sequence

from mtshare_ros.recording.extras import require


def read_qos(profiles: Any) -> tuple[Any, ...]:
    """Return the profiles of a text or list of any version, none for what cannot be read."""
    metadata = require('rosbags.rosbag2.metadata', 'reading a bag', 'bags')
    try:
        return tuple(metadata.parse_qos(profiles))
    except Exception:  # noqa: B902 - maps and times go on without them
        return ()


def write_qos(profiles: Sequence[Any]) -> str:
    """Return the text that every ROS 2 since Humble reads."""
    text: str = require('rosbags.rosbag2.metadata', 'writing a bag', 'bags').dump_qos_v8(
        list(profiles))
    return text


def reliable_qos(*, latched: bool) -> Any:
    """Return a reliable profile that keeps the last message."""
    kinds = require('rosbags.interfaces', 'writing a bag', 'bags')
    endless = kinds.QosTime(0, 0)
    durability = kinds.QosDurability
    return kinds.Qos(
        kinds.QosHistory.KEEP_LAST, 1, kinds.QosReliability.RELIABLE,
        durability.TRANSIENT_LOCAL if latched else durability.VOLATILE,
        endless, endless, kinds.QosLiveliness.AUTOMATIC, endless, False)
