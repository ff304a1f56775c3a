"""The simulated camera: images and calibration of a rendered room, with the truth if wanted."""

import sys

import numpy as np
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from mtshare_ros.data.rooms.frame import RoomFrame
from mtshare_ros.nodes import qos
from mtshare_ros.nodes.camera_info import pinhole_camera_info
from mtshare_ros.nodes.codec import fill_image
from mtshare_ros.nodes.parameter_server import ParameterServer
from mtshare_ros.nodes.sim_camera.frame_source import FrameAhead, open_source
from mtshare_ros.nodes.sim_camera.parameter_table import (
    SIM_CAMERA_PARAMETERS,
    sim_camera_settings,
)
from mtshare_ros.nodes.sim_camera.rate_watch import RateWatch
from mtshare_ros.nodes.spin import run_node

GROUND_TRUTH = {
    'ground_truth/semantic/mask': ('mono8', lambda frame: frame.labels),
    'ground_truth/depth/image': ('32FC1', lambda frame: frame.depth),
    'ground_truth/normals/image': ('32FC3', lambda frame: frame.normals),
    'ground_truth/edges/image': ('mono8', lambda frame: frame.edges.astype(np.uint8) * 255),
}
"""The true maps by topic: their encoding and where they are in a frame."""


class SimCameraNode(Node):
    """Publishes one frame at each tick, stamped with the time of publication."""

    def __init__(self) -> None:
        super().__init__('sim_camera_node')
        self._frames: FrameAhead | None = None
        parameters = ParameterServer(self, SIM_CAMERA_PARAMETERS, sim_camera_settings)
        parameters.require_valid()
        self._settings = parameters.settings
        self._frames = FrameAhead(open_source(self._settings))
        topics = ['image', *(GROUND_TRUTH if self._settings.ground_truth else ())]
        self._images = {
            topic: self.create_publisher(Image, topic, qos.image_output()) for topic in topics
        }
        self._messages = {topic: Image() for topic in topics}
        self._camera_info = self.create_publisher(CameraInfo, 'camera_info', qos.image_output())
        self._rate_watch = RateWatch(self._settings.rate)
        self.create_timer(
            1 / self._settings.rate, self._tick, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )
        self.get_logger().info(self._introduce())

    def destroy_node(self) -> None:
        """End the rendering thread first."""
        if self._frames is not None:
            self._frames.close()
        super().destroy_node()

    def _introduce(self) -> str:
        settings = self._settings
        if settings.clip:
            return f'replaying {settings.clip} at {settings.rate} Hz'
        return (
            f'rendering room {settings.seed}, {settings.motion}, {settings.width}x'
            f'{settings.height} at {settings.rate} Hz'
        )

    def _tick(self) -> None:
        frame = self._frames.take() if self._frames else None
        complaint = self._rate_watch.note(published=frame is not None)
        if complaint:
            self.get_logger().warning(
                f'{complaint}; lower rate, width or height, or give a pre-rendered clip'
            )
        if frame is not None:
            self._publish(frame)

    def _publish(self, frame: RoomFrame) -> None:
        stamp = self.get_clock().now().to_msg()
        header = Header(stamp=stamp, frame_id=self._settings.frame_id)
        self._camera_info.publish(
            pinhole_camera_info(frame.intrinsics, frame.image.shape[:2], header)
        )
        self._publish_image('image', frame.image, 'rgb8', header)
        if self._settings.ground_truth:
            for topic, (encoding, select) in GROUND_TRUTH.items():
                self._publish_image(topic, select(frame), encoding, header)

    def _publish_image(
        self, topic: str, values: np.ndarray, encoding: str, header: Header
    ) -> None:
        message = self._messages[topic]
        message.header = header
        fill_image(message, values, encoding)
        self._images[topic].publish(message)


def main() -> int:
    """Run the simulated camera until SIGINT or SIGTERM; return the exit code."""
    return run_node(SimCameraNode)


if __name__ == '__main__':
    sys.exit(main())
