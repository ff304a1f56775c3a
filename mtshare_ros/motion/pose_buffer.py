"""Where the camera stood at a stamp, from the poses of an odometry before and after it."""

import numpy as np

from mtshare_ros.motion.rigid import RigidMotion
from mtshare_ros.motion.stamped import Lookup, NANOSECONDS, seconds, StampedSamples


class PoseBuffer:
    """
    Stamped poses of the last seconds, in nanoseconds; each brings points to one fixed frame.

    One thread may add while another looks up.
    """

    def __init__(
        self, *, kept_s: float = 10.0, gap_s: float = 0.5, beyond_s: float = 0.05
    ) -> None:
        """
        Say what is believed.

        ``gap_s``: poses further apart are not interpolated. ``beyond_s``: so far after the newest
        pose the motion between the last two is taken to go on; further nothing is known.
        """
        self._samples = StampedSamples[RigidMotion](kept_s)
        self._gap_ns = int(gap_s * NANOSECONDS)
        self._beyond_ns = int(beyond_s * NANOSECONDS)

    def add(self, stamp_ns: int, pose: RigidMotion) -> None:
        """Add a pose; the order does not matter."""
        self._samples.add(stamp_ns, pose)

    def clear(self) -> None:
        """Forget all poses: the odometry began anew."""
        self._samples.clear()

    def at(self, stamp_ns: int) -> Lookup:
        """Return the pose at a stamp: slerp for the turn, linear for the place."""
        stamps, poses = self._samples.about(stamp_ns, stamp_ns)
        if not stamps:
            return Lookup(None, reason='no pose has come yet')
        late = max(stamp_ns - stamps[-1], 0)
        reason = self._reason(stamp_ns, stamps, late)
        return Lookup(None, late, reason) if reason else _found(stamp_ns, stamps, poses, late)

    def between(self, earlier_ns: int, later_ns: int) -> Lookup:
        """Return the motion of points from the view at one stamp to the view at another."""
        earlier, later = self.at(earlier_ns), self.at(later_ns)
        if earlier.motion is None or later.motion is None:
            return Lookup(None, later.late_ns, earlier.reason or later.reason)
        return Lookup(RigidMotion.between(earlier.motion, later.motion), later.late_ns)

    def _reason(self, stamp_ns: int, stamps: list[int], late_ns: int) -> str:
        """Return why there is no pose at a stamp; empty where there is one."""
        if stamps[0] > stamp_ns:
            return f'the oldest pose is {seconds(stamps[0] - stamp_ns)} newer than the image'
        if late_ns > self._beyond_ns:
            return f'the newest pose is {seconds(late_ns)} older than the image'
        if stamp_ns != stamps[0] and stamps[-1] - stamps[0] > self._gap_ns:
            return f'the poses about the image are {seconds(stamps[-1] - stamps[0])} apart'
        return ''


def _found(stamp_ns: int, stamps: list[int], poses: list[RigidMotion], late_ns: int) -> Lookup:
    """Return the pose at a stamp from the one or two about it."""
    span = max(stamps[-1] - stamps[0], 1)
    pose = RigidMotion.interpolated(poses[0], poses[-1], (stamp_ns - stamps[0]) / span)
    if not (np.isfinite(pose.rotation).all() and np.isfinite(pose.translation).all()):
        return Lookup(None, late_ns, 'the poses about the image are not finite')
    return Lookup(pose, late_ns)
