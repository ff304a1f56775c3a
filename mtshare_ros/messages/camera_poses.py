"""Where the camera stood when an image was taken, from what other sensors tell."""

from dataclasses import replace
from typing import Any, Callable, Protocol

import numpy as np

from mtshare_ros.messages.continuity import nanoseconds_of
from mtshare_ros.messages.transform_tree import TransformTree
from mtshare_ros.motion.rigid import RigidMotion
from mtshare_ros.motion.sensor_motion import Gyroscope, Lookup

IMU_GAP_S, IMU_BEYOND_S = 0.1, 0.05
"""Longest wait between two samples of an IMU, and how far after the newest a turn goes on."""


class CameraPoses(Protocol):
    """Answers for the headers of one camera's images, in the order of their stamps."""

    def at(self, header: Any) -> Lookup:
        """Return the pose, which brings points of the optical frame to the world, or why not."""


class TransformPoses:
    """Poses in a fixed frame, as the transforms of the robot tell."""

    def __init__(self, tree: TransformTree, fixed: str) -> None:
        self._tree = tree
        self._fixed = fixed

    def at(self, header: Any) -> Lookup:
        """Return the pose of the frame of a header at its stamp."""
        return self._tree.pose(header.frame_id, self._fixed, nanoseconds_of(header.stamp))


class Imu:
    """
    The rates of one IMU, and the frame that they are told in.

    One thread adds, others read.
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
    Poses that only turn, from the first image on: where the camera is, a gyroscope cannot tell.

    ``mounting`` returns what brings points of one frame to another at a stamp; it is not asked
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
        back = mounted.motion.after(turned.motion.inverse()).after(mounted.motion.inverse())
        self._pose = self._pose.after(back)
        return replace(turned, motion=self._pose)

    def _mounted(self, frame: str) -> Lookup:
        """Return the turn that brings directions of the IMU to the camera."""
        if self._imu.frame in ('', frame):
            return Lookup(RigidMotion.none())
        found = self._mounting(self._imu.frame, frame, self._stamp_ns or 0)
        if found.motion is None:
            return replace(found, reason=f'how the IMU is mounted is not known: {found.reason}')
        return replace(found, motion=RigidMotion(found.motion.rotation, np.zeros(3)))
