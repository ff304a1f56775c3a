"""The cameras while the node is active: a stream for each, and the one thread that computes."""

from dataclasses import dataclass
from typing import Sequence

from rclpy.lifecycle import LifecycleNode

from mtshare_ros.nodes.camera import Camera
from mtshare_ros.nodes.camera_stream import CameraStream, Equipment
from mtshare_ros.nodes.parameter_server import ParameterServer
from mtshare_ros.nodes.pipeline import Job
from mtshare_ros.nodes.worker import Worker

# Longer than any frame takes; a worker stuck in a driver must not hold up a transition for ever.
_STOP_LIMIT_S = 5.0


@dataclass(frozen=True)
class _Order:
    """A job, and whose it is."""

    stream: CameraStream
    job: Job


class ActiveCameras:
    """
    Gives every camera its stream, and computes what they ask for in turn, in one thread.

    The newest image of each camera waits, the others are counted. One network serves all; each
    camera has a memory of its own.
    """

    def __init__(
        self, node: LifecycleNode, cameras: Sequence[Camera], equipment: Equipment,
        parameters: ParameterServer,
    ) -> None:
        self._node = node
        self._cameras = tuple(cameras)
        self._worker: Worker[_Order] = Worker(
            lambda order: order.stream.process(order.job),
            lambda order, error: order.stream.note_failure(error),
            'inference', sender=lambda order: order.stream,
        )
        for camera in self._cameras:
            camera.attach(CameraStream(
                node, camera.name, equipment, parameters, camera.statistics, camera.notices,
                self._offer))

    def watch(self) -> None:
        """Say which cameras have been silent for too long."""
        for camera in self._cameras:
            if camera.stream is not None:
                camera.stream.watch()

    def hopeless(self) -> str:
        """Return why going on makes no sense, or an empty text."""
        streams = (camera.stream for camera in self._cameras)
        return next(filter(None, (stream.streak.hopeless for stream in streams if stream)), '')

    def close(self) -> None:
        """Leave the cameras and finish the frame at hand; nothing is published after."""
        for camera in self._cameras:
            camera.detach()
        if not self._worker.stop(_STOP_LIMIT_S):
            self._node.get_logger().error(
                f'a frame is still being computed after {_STOP_LIMIT_S} s; its outputs are lost'
            )

    def _offer(self, stream: CameraStream, job: Job) -> bool:
        return self._worker.offer(_Order(stream, job))
