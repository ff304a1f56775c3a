"""How a camera turned between two stamps, from the angular velocity of an IMU."""

import numpy as np

from mtshare_ros.motion.rigid import RigidMotion, rotation_about
from mtshare_ros.motion.stamped import Lookup, NANOSECONDS, seconds, StampedSamples


class Gyroscope:
    """
    Angular velocities of the last seconds, and the turns they make between two stamps.

    One thread may add while another looks up. The rates are taken as they are: a bias of 0.01
    rad/s moves a view at 30 Hz by about a tenth of a pixel, which an alignment takes out.
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
        Say how the IMU is mounted and what is believed.

        ``camera_from_imu`` (3, 3) turns vectors of the IMU's frame into the optical frame; None
        where they are the same. ``gap_s``: where rates are further apart nothing is known.
        ``beyond_s``: so long after the newest rate, or before the oldest, it is taken to last.
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
        """Return the turn of points from the view at one stamp to that at another, no shift."""
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
        """Return the rotation (3, 3) of points; rates change evenly between two samples."""
        inner = [stamp for stamp in stamps if earlier_ns < stamp < later_ns]
        knots = np.array([earlier_ns, *inner, later_ns]) - earlier_ns
        known = np.array(stamps) - earlier_ns
        at_knots = np.stack([np.interp(knots, known, axis) for axis in rates.T], axis=1)
        steps = np.diff(knots)[:, None] / NANOSECONDS * (at_knots[:-1] + at_knots[1:]) / 2
        turn = np.eye(3)
        for step in steps @ self._turned.T:
            turn = rotation_about(-step) @ turn  # what the camera turns, points turn back
        return turn
