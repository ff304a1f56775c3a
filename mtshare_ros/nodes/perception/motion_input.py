"""Sensors that tell the motion of a camera: the transforms of the robot, and a gyroscope."""

from typing import Callable

from rclpy.node import Node
from rclpy.subscription import Subscription
from sensor_msgs.msg import Imu as ImuMessage

from mtshare_ros.motion.transform_tree import TransformTree
from mtshare_ros.nodes import qos
from mtshare_ros.nodes.node_environment import optional_messages
from mtshare_ros.nodes.perception.camera_poses import (
    CameraPoses,
    GyroscopePoses,
    Imu,
    TransformPoses,
)
from mtshare_ros.nodes.perception.engine_parameters import GYROSCOPE, MotionChoice, TF
from mtshare_ros.nodes.perception.input_topics import IMU_TOPIC, name_for, subscribe_all

MOVING_TOPIC, STATIC_TOPIC = '/tf', '/tf_static'


class TransformInput:
    """
    Fills a tree of transforms; the executor's thread calls ``follow`` and ``leave``.

    It reads the messages itself, because it needs only the few transforms between the camera and
    the fixed frame, while the buffer of tf2_ros keeps and interpolates all transforms of a robot.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._subscriptions: tuple[Subscription, ...] = ()
        self._followers: set[str] = set()
        self.tree = TransformTree()

    def follow(self, camera: str) -> None:
        """Listen for a camera from now on; nothing happens where tf2_msgs is not installed."""
        self._followers.add(camera)
        messages = optional_messages('tf2_msgs')
        if self._subscriptions or messages is None:
            return
        self._subscriptions = (
            self._node.create_subscription(
                messages.TFMessage, STATIC_TOPIC,
                lambda message: self.tree.add(message.transforms, static=True),
                qos.transforms(static=True)),
            self._node.create_subscription(
                messages.TFMessage, MOVING_TOPIC,
                lambda message: self.tree.add(message.transforms), qos.transforms()))

    def leave(self, camera: str) -> None:
        """Unsubscribe and forget the transforms when the last camera leaves."""
        self._followers.discard(camera)
        if self._followers:
            return
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions, self.tree = (), TransformTree()


class MotionInput:
    """
    Listens to what ``motion.source`` names; the executor's thread calls ``follow`` and ``close``.

    ``source`` makes a reader's poses of the camera, None where no sensor is used.
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
        if choice.posed:  # a gyroscope too: transforms tell how the IMU is mounted
            self._transforms.follow(self._camera)
        if choice.source == TF:
            self.source = lambda: TransformPoses(self._transforms.tree, choice.frame)
        elif choice.source == GYROSCOPE:
            imu = Imu()
            topic = name_for(self._camera, IMU_TOPIC)
            self._subscription = subscribe_all(self._node, ImuMessage, topic, imu.add)
            self.source = lambda: GyroscopePoses(imu, self._transforms.tree.pose)

    def close(self) -> None:
        """Unsubscribe."""
        subscription, self._subscription = self._subscription, None
        if subscription is not None:
            self._node.destroy_subscription(subscription)
        self._transforms.leave(self._camera)
        self.source, self._followed = None, None
