"""Where the camera of a bag was when an image was taken, from the poses recorded beside it."""

from collections import deque
from dataclasses import dataclass
from itertools import islice
from typing import Any, Callable, Iterator

from mtshare_ros.errors import ConfigError, RecordingError
from mtshare_ros.motion.rigid import quaternion_of
from mtshare_ros.motion.sensor_motion import NANOSECONDS
from mtshare_ros.motion.transform_tree import TransformTree
from mtshare_ros.recording.bag import Bag
from mtshare_ros.recording.bag_messages import MessageTypes
from mtshare_ros.recording.bag_parts import BagMessage
from mtshare_ros.recording.frames import RecordedFrame
from mtshare_ros.recording.notices import Notices

MOVING, STATIC = '/tf', '/tf_static'

TRANSFORMS = 'tf2_msgs/msg/TFMessage'
TRANSFORM = 'geometry_msgs/msg/TransformStamped'

_POSES: dict[str, Callable[[Any], Any]] = {
    'nav_msgs/msg/Odometry': lambda message: message.pose.pose,
    'geometry_msgs/msg/PoseStamped': lambda message: message.pose,
    'geometry_msgs/msg/PoseWithCovarianceStamped': lambda message: message.pose.pose,
}
"""The pose in messages that hold one, by their types."""

POSE_TYPES = (*_POSES, TRANSFORM)
"""The types that a topic of poses may have."""

_WINDOW_NS = NANOSECONDS
"""How long before and after an image poses are read; those 0.5 s apart are not interpolated."""


@dataclass(frozen=True)
class PoseChoice:
    """
    Which poses are used: those of ``topic``, or those in the frame ``frame`` by transforms.

    Empty are those that are not. Raises ConfigError for both.
    """

    topic: str = ''
    frame: str = ''

    @property
    def given(self) -> bool:
        """Whether any are used."""
        return bool(self.topic or self.frame)

    def __post_init__(self) -> None:
        """Refuse two sources of the same poses."""
        if self.topic and self.frame:
            raise ConfigError(
                f'--pose-topic is {self.topic!r} and --pose-frame is {self.frame!r}; give one: '
                'the topic that holds the poses, or the frame in which the transforms of '
                f'{MOVING} and {STATIC} tell them')


@dataclass(frozen=True)
class Pose:
    """
    Where a camera was: its optical frame in the frame ``parent``.

    ``position`` (x, y, z) is in metres, ``quaternion`` is (x, y, z, w).
    """

    parent: str
    position: tuple[float, ...]
    quaternion: tuple[float, ...]

    def values(self) -> dict[str, Any]:
        """Return the pose as JSON can hold it."""
        return {'parent': self.parent, 'position': list(self.position),
                'quaternion': list(self.quaternion)}


class RecordedPoses:
    """
    The poses in a bag; ``begin`` starts looking them up.

    ``say`` is told once where images have none, as all of a bag without transforms. Raises
    RecordingError where the chosen topic is missing or holds no poses.
    """

    def __init__(
        self, bag: Bag, choice: PoseChoice, say: Callable[[str], None] = lambda line: None
    ) -> None:
        self.choice = choice
        self.types = MessageTypes()
        self.notices = Notices(say)
        self._bag = bag
        self._kinds = {topic.name: topic.message_type for topic in bag.topics}
        self._topic = choice.topic or MOVING
        if choice.topic:
            self._require_poses(choice.topic)
        self.static = self._read_static()

    def begin(self) -> 'CameraPoses':
        """Return the poses for images that follow each other, from any place of the bag on."""
        return CameraPoses(self)

    def read_from(self, time_ns: int) -> Iterator[BagMessage]:
        """Return the messages with moving poses that were recorded from a time on."""
        if self._topic not in self._kinds:
            return iter(())
        start_s = (time_ns - self._bag.start_ns) / NANOSECONDS
        return self._bag.messages_beside((self._topic,), max(start_s, 0.0))

    def transforms_of(self, message: BagMessage, camera: str) -> list[Any]:
        """
        Return what a message tells, as geometry_msgs/TransformStamped.

        A pose that does not name its frame is that of the ``camera``.
        """
        kind = message.channel.message_type
        if kind not in (*POSE_TYPES, TRANSFORMS):
            return []
        try:
            found = self.types.read(message.data, kind)
        except Exception as error:  # noqa: B902 - rosbags raises anything for malformed bytes
            self.notices.say_once(
                f'left out a message of {message.topic} that cannot be read: {error}', 'damage')
            return []
        if kind == TRANSFORMS:
            return list(found.transforms)
        return [found if kind == TRANSFORM else self._as_transform(found, kind, camera)]

    def _read_static(self) -> list[Any]:
        """Return the static transforms; these hold for every stamp, whenever they are recorded."""
        count = sum(topic.count for topic in self._bag.topics if topic.name == STATIC)
        # mostly they come first; the rest of the bag is not read where all have been found
        messages = islice(self._bag.messages_beside((STATIC,)), count)
        return [found for message in messages for found in self.transforms_of(message, '')]

    def _as_transform(self, message: Any, kind: str, camera: str) -> Any:
        pose, types = _POSES[kind](message), self.types.store.types
        child = getattr(message, 'child_frame_id', '') or camera
        transform = types['geometry_msgs/msg/Transform'](pose.position, pose.orientation)
        return types[TRANSFORM](message.header, child, transform)

    def _require_poses(self, name: str) -> None:
        kind = self._kinds.get(name)
        if kind not in POSE_TYPES:
            what = 'there is no such topic' if kind is None else f'its type is {kind}'
            raise RecordingError(f'{self._bag.path}: --pose-topic is {name!r}: {what}; topics '
                                 f'with poses are {self._list_poses()}')

    def _list_poses(self) -> str:
        found = [f'{name} ({kind})' for name, kind in self._kinds.items() if kind in POSE_TYPES]
        return ', '.join(found) or 'none'


class CameraPoses:
    """
    Looks up the pose of each image of a camera; they come in the order of their recording.

    Position is interpolated linearly and rotation by slerp, between the two poses about the stamp
    of the image. The messages about an image are read when its turn has come, so that it matters
    neither how long the bag is nor where the first image is.
    """

    def __init__(self, recorded: RecordedPoses) -> None:
        self._recorded = recorded
        self._tree = TransformTree(beyond_s=0)
        self._tree.add(recorded.static, static=True)
        self._messages: Iterator[BagMessage] | None = None
        self._next: BagMessage | None = None
        self._recent: deque[tuple[int, list[Any]]] = deque()
        self._parent = recorded.choice.frame

    def __call__(self, frame: RecordedFrame) -> Pose | None:
        """Return the pose of a frame's camera at its stamp, None where it is not known."""
        self._read_about(frame)
        if self._tree.ask(frame.frame_id, self._parent):
            for _, transforms in self._recent:
                self._tree.add(transforms)
        stamp_ns = frame.time_ns if frame.stamp_ns is None else frame.stamp_ns
        found = self._tree.pose(frame.frame_id, self._parent, stamp_ns)
        if found.motion is None:
            self._recorded.notices.say_once(
                f'there are images without a pose; the first is {frame.name}: {found.reason}',
                'no pose')
            return None
        return Pose(self._parent, tuple(found.motion.translation.tolist()),
                    tuple(quaternion_of(found.motion.rotation).tolist()))

    def _read_about(self, frame: RecordedFrame) -> None:
        """Read the messages up to shortly after an image, and forget those long before it."""
        if self._messages is None:
            self._messages = self._recorded.read_from(frame.time_ns - _WINDOW_NS)
            self._next = next(self._messages, None)
        while self._next is not None and self._next.time_ns <= frame.time_ns + _WINDOW_NS:
            self._keep(self._next, frame.frame_id)
            self._next = next(self._messages, None)
        while self._recent and self._recent[0][0] < frame.time_ns - _WINDOW_NS:
            self._recent.popleft()

    def _keep(self, message: BagMessage, camera: str) -> None:
        transforms = self._recorded.transforms_of(message, camera)
        self._recent.append((message.time_ns, transforms))
        self._tree.add(transforms)
        if transforms and self._recorded.choice.topic:
            self._parent = transforms[-1].header.frame_id
