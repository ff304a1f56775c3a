"""Where the camera was when an image was taken, from transforms or a gyroscope."""

from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any, Callable, Protocol, Sequence

import numpy as np

from mtshare_ros.messages.camera_image import nanoseconds_of
from mtshare_ros.messages.image_messages import quote
from mtshare_ros.motion.rigid import RigidMotion
from mtshare_ros.motion.sensor_motion import Gyroscope, Lookup, PoseBuffer

MOST_FRAMES = 4096
"""Frames that are remembered; no robot has so many, and a broken publisher may invent them."""

BEYOND_S = 0.2
"""So far after the newest transform a motion is taken to go on: odometry comes after images."""

_KEPT_S = 3.0
_NAMED = 8
_SHORTEST_QUATERNION = 1e-6


@dataclass
class _Link:
    """A frame's parent, and where it stands in it: always, or at some stamps."""

    parent: str
    resting: RigidMotion | None = None
    moving: PoseBuffer = field(
        default_factory=lambda: PoseBuffer(kept_s=_KEPT_S, beyond_s=BEYOND_S))

    def at(self, stamp_ns: int) -> Lookup:
        """Return what brings points of the frame to its parent."""
        return Lookup(self.resting) if self.resting is not None else self.moving.at(stamp_ns)


class TransformTree:
    """
    Keeps the transforms of the last seconds, of those frames that were asked for.

    A robot moves a hundred joints, and a camera hangs on few of them: of the others the parent
    alone is known. One thread may add while others look up.
    """

    def __init__(self) -> None:
        self._links: dict[str, _Link] = {}
        self._asked: set[str] = set()
        self._lock = Lock()

    def add(self, transforms: Sequence[Any], *, resting: bool = False) -> None:
        """Add geometry_msgs/TransformStamped; ``resting`` ones hold for every stamp."""
        with self._lock:
            for transform in transforms:
                self._add(transform, resting)

    def pose(self, frame: str, fixed: str, stamp_ns: int) -> Lookup:
        """Return what brings points of a frame to the fixed one at a stamp in nanoseconds."""
        frame, fixed = _bare(frame), _bare(fixed)
        with self._lock:
            chain, other = self._chain(frame), self._chain(fixed)
            self._asked.update(chain, other)
        meeting = next((name for name in chain if name in other), None)
        if meeting is None:
            return Lookup(None, reason=self._why_apart(frame, fixed))
        down = self._climb(frame, chain[:chain.index(meeting)], stamp_ns)
        up = self._climb(fixed, other[:other.index(meeting)], stamp_ns)
        if down.motion is None or up.motion is None:
            return down if down.motion is None else up
        return Lookup(up.motion.inverse().after(down.motion), max(down.late_ns, up.late_ns))

    def _add(self, transform: Any, resting: bool) -> None:
        child, parent = _bare(transform.child_frame_id), _bare(transform.header.frame_id)
        link = self._links.get(child)
        if link is None or link.parent != parent:
            if len(self._links) >= MOST_FRAMES and link is None:
                return
            link = self._links[child] = _Link(parent)
        if not resting and child not in self._asked:
            return
        motion = rigid_motion_of(transform.transform)
        if resting:
            link.resting = motion
        elif motion is not None:
            link.resting = None
            link.moving.add(nanoseconds_of(transform.header.stamp), motion)

    def _chain(self, frame: str) -> list[str]:
        """Return a frame, its parent and so on, up to the root or to where a circle closes."""
        chain = [frame]
        while (link := self._links.get(chain[-1])) is not None and link.parent not in chain:
            chain.append(link.parent)
        return chain

    def _climb(self, frame: str, below: list[str], stamp_ns: int) -> Lookup:
        """Return what brings points of a frame up through those below the one that is meant."""
        motion, late_ns = RigidMotion.none(), 0
        for name in below:
            found = self._links[name].at(stamp_ns)
            if found.motion is None:
                where = f'{quote(name)} in {quote(self._links[name].parent)}'
                return Lookup(None, found.late_ns, f'of {where} {found.reason}')
            motion, late_ns = found.motion.after(motion), max(late_ns, found.late_ns)
        return Lookup(motion, late_ns)

    def _why_apart(self, frame: str, fixed: str) -> str:
        if not self._links:
            return 'no transform has come yet'
        known = set(self._links) | {link.parent for link in self._links.values()}
        unknown = next((name for name in (fixed, frame) if name not in known), None)
        if unknown is None:
            return f'no transforms connect {quote(frame)} with {quote(fixed)}'
        named = ', '.join(map(quote, sorted(known)[:_NAMED]))
        more = ', ...' if len(known) > _NAMED else ''
        return f'nobody tells where a frame {quote(unknown)} is; known are {named}{more}'


def rigid_motion_of(transform: Any) -> RigidMotion | None:
    """Return a geometry_msgs/Transform as a motion, None where its numbers are none."""
    turn, shift = transform.rotation, transform.translation
    quaternion = np.array([turn.x, turn.y, turn.z, turn.w])
    translation = np.array([shift.x, shift.y, shift.z])
    length = float(np.linalg.norm(quaternion))
    if not (_SHORTEST_QUATERNION < length < np.inf and np.isfinite(translation).all()):
        return None
    return RigidMotion(_rotation_of(quaternion / length), translation)


def _rotation_of(quaternion: np.ndarray) -> np.ndarray:
    """Return the rotation (3, 3) of a unit quaternion x, y, z, w."""
    vector, scalar = quaternion[:3], quaternion[3]
    x, y, z = vector
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + 2 * scalar * cross + 2 * cross @ cross


def _bare(frame: str) -> str:
    """Return the name of a frame without the slash that ROS 1 put before it."""
    return frame.removeprefix('/')


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
