"""How a camera moved between two stamps, from the poses of an odometry or the rates of an IMU."""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from threading import Lock
from typing import Generic, TypeVar

import numpy as np

from mtshare_ros.motion.rigid import RigidMotion, rotation_about

NANOSECONDS = 1_000_000_000

Sample = TypeVar('Sample')


@dataclass(frozen=True)
class Lookup:
    """
    The motion found for a stamp, or the reason why there is none.

    ``late_ns``: by how much the stamp is newer than the newest sample, 0 where it is not.
    ``reason`` is empty where there is a motion.
    """

    motion: RigidMotion | None
    late_ns: int = 0
    reason: str = ''


class StampedSamples(Generic[Sample]):
    """
    The samples of the last seconds in the order of their stamps, in nanoseconds.

    One thread may add while another looks up. A sample replaces an earlier one of the same stamp;
    one that arrives late is sorted in. One that is older than everything that would be kept means
    that the clock was set back: all samples before it are forgotten.
    """

    def __init__(self, kept_s: float) -> None:
        """Keep the samples that are at most ``kept_s`` seconds older than the newest."""
        self._kept_ns = int(kept_s * NANOSECONDS)
        self._stamps: list[int] = []
        self._samples: list[Sample] = []
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._stamps)

    def add(self, stamp_ns: int, sample: Sample) -> None:
        """Add a sample."""
        with self._lock:
            if self._stamps and stamp_ns < self._stamps[-1] - self._kept_ns:
                self._forget(len(self._stamps))
            place = bisect_left(self._stamps, stamp_ns)
            # as 1 or 0, the length of the slices below: it replaces a sample or inserts one
            replaced = place < len(self._stamps) and self._stamps[place] == stamp_ns
            self._stamps[place:place + replaced] = [stamp_ns]
            self._samples[place:place + replaced] = [sample]
            self._forget(bisect_left(self._stamps, self._stamps[-1] - self._kept_ns))

    def clear(self) -> None:
        """Forget everything, because the sensor started again."""
        with self._lock:
            self._forget(len(self._stamps))

    def about(self, first_ns: int, last_ns: int) -> tuple[list[int], list[Sample]]:
        """
        Return stamps and samples of a span of time, and the next sample on either side of it.

        Where all samples are older, these are the last two.
        """
        with self._lock:
            begin = bisect_right(self._stamps, first_ns) - 1
            begin = max(min(begin, len(self._stamps) - 2), 0)
            end = bisect_left(self._stamps, last_ns) + 1
            return self._stamps[begin:end], self._samples[begin:end]

    def _forget(self, count: int) -> None:
        """Drop the oldest samples."""
        del self._stamps[:count], self._samples[:count]


def seconds(nanoseconds: int) -> str:
    """Return a duration in seconds as text."""
    return f'{nanoseconds / NANOSECONDS:.3f} s'


class PoseBuffer:
    """
    Stamped poses of the last seconds, in nanoseconds; each brings points to one fixed frame.

    One thread may add while another looks up.
    """

    def __init__(
        self, *, kept_s: float = 10.0, gap_s: float = 0.5, beyond_s: float = 0.05
    ) -> None:
        """
        Set how poses are interpolated.

        ``gap_s``: poses further apart than this are not interpolated. ``beyond_s``: up to so long
        after the newest pose, the motion between the last two is extrapolated; later there is no
        pose.
        """
        self._samples = StampedSamples[RigidMotion](kept_s)
        self._gap_ns = int(gap_s * NANOSECONDS)
        self._beyond_ns = int(beyond_s * NANOSECONDS)

    def add(self, stamp_ns: int, pose: RigidMotion) -> None:
        """Add a pose; poses may come in any order."""
        self._samples.add(stamp_ns, pose)

    def clear(self) -> None:
        """Forget all poses, because the odometry started again."""
        self._samples.clear()

    def at(self, stamp_ns: int) -> Lookup:
        """Return the pose at a stamp: rotation by slerp, translation linear."""
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
        if stamp_ns not in (stamps[0], stamps[-1]) and stamps[-1] - stamps[0] > self._gap_ns:
            return f'the poses about the image are {seconds(stamps[-1] - stamps[0])} apart'
        return ''


def _found(stamp_ns: int, stamps: list[int], poses: list[RigidMotion], late_ns: int) -> Lookup:
    """Return the pose at a stamp from the one or two about it."""
    # a single pose is both ends of its span
    span = max(stamps[-1] - stamps[0], 1)
    pose = RigidMotion.interpolated(poses[0], poses[-1], (stamp_ns - stamps[0]) / span)
    if not (np.isfinite(pose.rotation).all() and np.isfinite(pose.translation).all()):
        return Lookup(None, late_ns, 'the poses about the image are not finite')
    return Lookup(pose, late_ns)


class Gyroscope:
    """
    Angular velocities of the last seconds, integrated to the rotation between two stamps.

    One thread may add while another looks up. No bias is estimated: one of 0.01 rad/s moves a view
    at 30 Hz by about a tenth of a pixel, which the alignment of images corrects.
    """

    def __init__(
        self,
        camera_from_imu: np.ndarray | None = None,
        *,
        kept_s: float = 10.0,
        gap_s: float = 0.05,
        beyond_s: float = 0.02,
    ) -> None:
        """
        Set how the IMU is mounted and how rates are interpolated.

        ``camera_from_imu`` (3, 3) turns vectors of the IMU's frame into the optical frame; None
        where the two are the same. ``gap_s``: rates further apart than this are not interpolated.
        ``beyond_s``: up to so long after the newest rate, or before the oldest, it is held.
        """
        self._turned = np.eye(3) if camera_from_imu is None else np.asarray(camera_from_imu)
        self._samples = StampedSamples[np.ndarray](kept_s)
        self._gap_ns = int(gap_s * NANOSECONDS)
        self._beyond_ns = int(beyond_s * NANOSECONDS)

    def add(self, stamp_ns: int, rates: np.ndarray) -> None:
        """Add angular velocities (3,) about the axes of the IMU, in rad/s."""
        self._samples.add(stamp_ns, np.asarray(rates, np.float64))

    def clear(self) -> None:
        """Forget all rates."""
        self._samples.clear()

    def between(self, earlier_ns: int, later_ns: int) -> Lookup:
        """Return the rotation of points from the view at one stamp to the view at another."""
        stamps, rates = self._samples.about(earlier_ns, later_ns)
        late = max(later_ns - stamps[-1], 0) if stamps else 0
        reason = self._reason(earlier_ns, later_ns, stamps, late)
        if reason:
            return Lookup(None, late, reason)
        turn = self._turn(earlier_ns, later_ns, stamps, np.array(rates))
        if not np.isfinite(turn).all():
            return Lookup(None, late, 'the rates between the images are not finite')
        return Lookup(RigidMotion(turn, np.zeros(3)), late)

    def _reason(self, earlier_ns: int, later_ns: int, stamps: list[int], late_ns: int) -> str:
        """Return why there is no turn between two stamps; empty where there is one."""
        if later_ns < earlier_ns:
            return f'the image is {seconds(earlier_ns - later_ns)} older than the one before'
        if not stamps:
            return 'no rate has come yet'
        if stamps[0] - earlier_ns > self._beyond_ns:
            return f'the oldest rate is {seconds(stamps[0] - earlier_ns)} newer than the image'
        if late_ns > self._beyond_ns:
            return f'the newest rate is {seconds(late_ns)} older than the image'
        widest = max((b - a for a, b in zip(stamps, stamps[1:])), default=0)
        if widest > self._gap_ns:
            return f'the rates between the images are {seconds(widest)} apart'
        return ''

    def _turn(
        self, earlier_ns: int, later_ns: int, stamps: list[int], rates: np.ndarray
    ) -> np.ndarray:
        """Return the rotation (3, 3) of points; rates are linear between two samples."""
        inner = [stamp for stamp in stamps if earlier_ns < stamp < later_ns]
        knots = np.array([earlier_ns, *inner, later_ns]) - earlier_ns
        known = np.array(stamps) - earlier_ns
        at_knots = np.stack([np.interp(knots, known, axis) for axis in rates.T], axis=1)
        steps = np.diff(knots)[:, None] / NANOSECONDS * (at_knots[:-1] + at_knots[1:]) / 2
        turn = np.eye(3)
        for step in steps @ self._turned.T:
            turn = rotation_about(-step) @ turn  # points turn against the camera
        return turn
