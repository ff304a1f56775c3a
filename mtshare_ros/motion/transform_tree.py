"""The frames of a robot: how they stand to each other, from the transforms in its messages."""

from dataclasses import dataclass
from threading import Lock
from typing import Any, Sequence

import numpy as np

from mtshare_ros.errors import quote
from mtshare_ros.motion.rigid import RigidMotion, rotation_of
from mtshare_ros.motion.sensor_motion import Lookup, PoseBuffer
from mtshare_ros.stamps import nanoseconds_of

MOST_FRAMES = 4096
"""Frames that are remembered; no robot has so many, but a broken publisher may send more."""

BEYOND_S = 0.2
"""How far after the newest transform motion is extrapolated: odometry comes after images."""

_KEPT_S = 3.0
_NAMED = 8
# A message that nobody filled in has a quaternion of zeros, which is no rotation.
_SHORTEST_QUATERNION = 1e-6


@dataclass
class _Link:
    """A frame's parent and its pose there: a static one, or poses at some stamps."""

    parent: str
    moving: PoseBuffer
    static: RigidMotion | None = None

    def at(self, stamp_ns: int) -> Lookup:
        """Return the motion that maps points of the frame to its parent."""
        return Lookup(self.static) if self.static is not None else self.moving.at(stamp_ns)


class TransformTree:
    """
    Keeps the transforms of the last seconds between the frames whose pose was requested.

    A robot may have a hundred joints, of which few carry the camera: of the other frames only the
    parent is kept. One thread may add while others look up.
    """

    def __init__(self, *, beyond_s: float = BEYOND_S) -> None:
        """Let motion be extrapolated for up to ``beyond_s`` after the newest transform."""
        self._beyond_s = beyond_s
        self._links: dict[str, _Link] = {}
        self._asked: set[str] = set()
        self._lock = Lock()

    def add(self, transforms: Sequence[Any], *, static: bool = False) -> None:
        """Add geometry_msgs/TransformStamped; ``static`` ones hold for every stamp."""
        with self._lock:
            for transform in transforms:
                self._add(transform, static)

    def ask(self, frame: str, fixed: str) -> bool:
        """Keep the poses of what connects two frames; return whether some were not kept yet."""
        with self._lock:
            before = len(self._asked)
            self._asked.update(self._chain(_bare(frame)), self._chain(_bare(fixed)))
            return len(self._asked) > before

    def pose(self, frame: str, fixed: str, stamp_ns: int) -> Lookup:
        """Return the motion from a frame to the fixed one at a stamp in nanoseconds."""
        # poses of these frames are kept from now on; the first look-up finds none yet
        self.ask(frame, fixed)
        frame, fixed = _bare(frame), _bare(fixed)
        with self._lock:
            chain, other = self._chain(frame), self._chain(fixed)
        meeting = next((name for name in chain if name in other), None)
        if meeting is None:
            return Lookup(None, reason=self._why_apart(frame, fixed))
        # Without the lock: links are replaced, never removed, and their buffers have locks.
        down = self._climb(chain[:chain.index(meeting)], stamp_ns)
        up = self._climb(other[:other.index(meeting)], stamp_ns)
        if down.motion is None or up.motion is None:
            return down if down.motion is None else up
        return Lookup(up.motion.inverse().after(down.motion), max(down.late_ns, up.late_ns))

    def _add(self, transform: Any, static: bool) -> None:
        child, parent = _bare(transform.child_frame_id), _bare(transform.header.frame_id)
        link = self._links.get(child)
        if link is None or link.parent != parent:
            if len(self._links) >= MOST_FRAMES and link is None:
                return
            # Poses in the former parent say nothing about the new one.
            link = self._links[child] = _Link(
                parent, PoseBuffer(kept_s=_KEPT_S, beyond_s=self._beyond_s))
        if not static and child not in self._asked:
            return
        motion = rigid_motion_of(transform.transform)
        if static:
            link.static = motion
        elif motion is not None:
            link.static = None
            link.moving.add(nanoseconds_of(transform.header.stamp), motion)

    def _chain(self, frame: str) -> list[str]:
        """Return a frame, its parent and so on, up to the root or the end of a cycle."""
        chain = [frame]
        while (link := self._links.get(chain[-1])) is not None and link.parent not in chain:
            chain.append(link.parent)
        return chain

    def _climb(self, names: list[str], stamp_ns: int) -> Lookup:
        """Return the motion from the first of these frames to the parent of the last."""
        motion, late_ns = RigidMotion.none(), 0
        for name in names:
            found = self._links[name].at(stamp_ns)
            if found.motion is None:
                where = f'{quote(name)} in {quote(self._links[name].parent)}'
                return Lookup(None, found.late_ns, f'of {where} {found.reason}')
            motion, late_ns = found.motion.after(motion), max(late_ns, found.late_ns)
        return Lookup(motion, late_ns)

    def _why_apart(self, frame: str, fixed: str) -> str:
        with self._lock:  # another thread may add links while these are walked through
            links = dict(self._links)
        if not links:
            return 'no transform has come yet'
        known = set(links) | {link.parent for link in links.values()}
        unknown = next((name for name in (fixed, frame) if name not in known), None)
        if unknown is None:
            return f'no transforms connect {quote(frame)} with {quote(fixed)}'
        named = ', '.join(map(quote, sorted(known)[:_NAMED]))
        more = ', ...' if len(known) > _NAMED else ''
        return f'no transform names a frame {quote(unknown)}; known are {named}{more}'


def rigid_motion_of(transform: Any) -> RigidMotion | None:
    """Return a geometry_msgs/Transform as a motion, None where its numbers are not valid."""
    turn, shift = transform.rotation, transform.translation
    quaternion = np.array([turn.x, turn.y, turn.z, turn.w])
    translation = np.array([shift.x, shift.y, shift.z])
    length = float(np.linalg.norm(quaternion))
    if not (_SHORTEST_QUATERNION < length < np.inf and np.isfinite(translation).all()):
        return None
    return RigidMotion(rotation_of(quaternion / length), translation)


def _bare(frame: str) -> str:
    """Return the name of a frame without the slash that ROS 1 put before it."""
    return frame.removeprefix('/')
