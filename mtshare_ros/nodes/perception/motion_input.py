"""What tells the motion of one camera beside its images: transforms, or a gyroscope."""

from typing import Any, Callable

from rclpy.node import Node
from rclpy.subscription import Subscription
from sensor_msgs.msg import Imu as ImuMessage

from mtshare_ros.messages.camera_poses import CameraPoses, GyroscopePoses, Imu, TransformPoses
from mtshare_ros.motion.sensor_motion import Lookup
from mtshare_ros.nodes.perception.camera_names import name_for
from mtshare_ros.nodes.perception.motion_parameters import GYROSCOPE, MotionChoice, TF
from mtshare_ros.nodes.perception.subscriptions import subscribe_all
from mtshare_ros.nodes.perception.transform_input import TransformInput

IMU_TOPIC = 'imu'


class MotionInput:
    """
    Listens to what ``motion.source`` names; the executor's thread calls ``follow`` and ``close``.

    ``source`` makes the poses of the camera for one that asks, None where images alone decide.
    Other threads read it.
    """

    def __init__(self, node: Node, camera: str, transforms: TransformInput) -> None:
        self._node = node
        self._camera = camera
        self._transforms = transforms
        self._followed: tuple[str, str] | None = None
        self._subscription: Subscription | None = None
        self.source: Callable[[], CameraPoses] | None = None

    def follow(self, choice: MotionChoice) -> None:
        """Listen to what is chosen from now on, and to nothing else."""
        wanted = (choice.source, choice.frame)
        if wanted == self._followed:
            return
        self.close()
        self._followed = wanted
        if choice.posed:
            self._transforms.follow(self._camera)
        if choice.source == TF:
            self.source = lambda: TransformPoses(self._transforms.tree, choice.frame)
        elif choice.source == GYROSCOPE:
            self.source = self._listen_to_imu()

    def close(self) -> None:
        """Leave the topics."""
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            self._node.destroy_subscription(subscription)
        self._transforms.leave(self._camera)
        self.source, self._followed = None, None

    def _listen_to_imu(self) -> Callable[[], CameraPoses]:
        imu = Imu()
        topic = name_for(self._camera, IMU_TOPIC)
        self._subscription = subscribe_all(self._node, ImuMessage, topic, imu.add)
        return lambda: GyroscopePoses(imu, self._transforms.tree.pose)


class PoseReader:
    """The poses of one camera for one thread, whatever ``motion.source`` becomes meanwhile."""

    def __init__(self, motion: MotionInput) -> None:
        self._motion = motion
        self._source: Callable[[], CameraPoses] | None = None
        self._poses: CameraPoses | None = None

    def at(self, header: Any) -> Lookup | None:
        """Return the pose that belongs to an image's header, None where nobody is asked."""
        source = self._motion.source
        if source is not self._source:
            self._source, self._poses = source, source() if source else None
        return self._poses.at(header) if self._poses else None
