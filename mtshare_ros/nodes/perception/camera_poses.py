"""Where the camera was when an image was taken, from transforms or a gyroscope."""

from dataclasses import replace
from typing import Any, Callable, Protocol

import numpy as np

from mtshare_ros.motion.rigid import RigidMotion
from mtshare_ros.motion.sensor_motion import Gyroscope, Lookup
from mtshare_ros.motion.transform_tree import TransformTree
from mtshare_ros.stamps import nanoseconds_of

IMU_GAP_S, IMU_BEYOND_S = 0.1, 0.05
"""Longest time between two samples of an IMU, and how far after the newest one a turn goes on."""


class CameraPoses(Protocol):
    """The poses of one camera; call ``at`` for its images in the order of their stamps."""

    def at(self, header: Any) -> Lookup:
        """Return the motion from the optical frame to the world, or why it is not known."""


class TransformPoses:
    """Poses in a fixed frame, from the transforms of the robot."""

    def __init__(self, tree: TransformTree, fixed: str) -> None:
        self._tree = tree
        self._fixed = fixed

    def at(self, header: Any) -> Lookup:
        """Return the pose of the frame of a header at its stamp."""
        return self._tree.pose(header.frame_id, self._fixed, nanoseconds_of(header.stamp))


class Imu:
    """
    The angular rates of one IMU and its frame.

    One thread adds messages, others read.
    """

    def __init__(self) -> None:
        self.rates = Gyroscope(gap_s=IMU_GAP_S, beyond_s=IMU_BEYOND_S)
        self.frame = ''

    def add(self, message: Any) -> None:
        """Add a sensor_msgs/Imu."""
        rate = message.angular_velocity
        self.frame = message.header.frame_id
        self.rates.add(nanoseconds_of(message.header.stamp), np.array([rate.x, rate.y, rate.z]))


class GyroscopePoses:
    """
    Poses that only rotate, relative to the first image: a gyroscope does not measure position.

    ``mounting(frame, other, stamp_ns)`` returns the motion between two frames; it is not called
    where IMU and image have the same frame.
    """

    def __init__(self, imu: Imu, mounting: Callable[[str, str, int], Lookup]) -> None:
        self._imu = imu
        self._mounting = mounting
        self._pose = RigidMotion.none()
        self._stamp_ns: int | None = None

    def at(self, header: Any) -> Lookup:
        """Return the pose that the frame of a header has turned to since the image before."""
        before, self._stamp_ns = self._stamp_ns, nanoseconds_of(header.stamp)
        if before is None:
            return Lookup(self._pose)
        mounted = self._mounted(header.frame_id)
        if mounted.motion is None:
            return mounted
        turned = self._imu.rates.between(before, self._stamp_ns)
        if turned.motion is None:
            return turned
        # From this image to the one before: the inverse turn, as the frame of the camera sees it.
        back = mounted.motion.after(turned.motion.inverse()).after(mounted.motion.inverse())
        self._pose = self._pose.after(back)
        return replace(turned, motion=self._pose)

    def _mounted(self, frame: str) -> Lookup:
        """Return the rotation from the frame of the IMU to that of the camera."""
        if self._imu.frame in ('', frame):
            return Lookup(RigidMotion.none())
        found = self._mounting(self._imu.frame, frame, self._stamp_ns or 0)
        if found.motion is None:
            return replace(found, reason=f'how the IMU is mounted is not known: {found.reason}')
        # The offset between the two is left out: these poses have no position.
        return replace(found, motion=RigidMotion(found.motion.rotation, np.zeros(3)))
