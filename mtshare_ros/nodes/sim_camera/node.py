"""The simulated camera: images and calibration of a rendered room, and true maps if wanted."""

from pathlib import Path
import queue
import sys
import threading
from typing import Callable

import numpy as np
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from mtshare_ros.data.rooms.clips import read_clip
from mtshare_ros.data.rooms.renderer import FULL, LIVE
from mtshare_ros.data.rooms.room_frame import RoomFrame
from mtshare_ros.data.rooms.video import RoomVideo
from mtshare_ros.nodes import qos
from mtshare_ros.nodes.codec import fill_image, pinhole_camera_info
from mtshare_ros.nodes.parameters import ParameterServer
from mtshare_ros.nodes.rates import RateWatch
from mtshare_ros.nodes.sim_camera.parameter_table import (
    SIM_CAMERA_PARAMETERS,
    sim_camera_settings,
    SimCameraSettings,
)
from mtshare_ros.nodes.spin import run_node

FrameFunction = Callable[[int], RoomFrame]


def open_source(settings: SimCameraSettings) -> FrameFunction:
    """
    Return the function that gives frame 0, 1, 2, ... of the settings' video, without end.

    Raises MissingExtraError where rendering needs what is not installed, and DatasetError for a
    clip that is missing or damaged.
    """
    if settings.clip:
        clip = read_clip(Path(settings.clip).expanduser())
        return lambda index: clip[_bounce(index, len(clip))]
    video = RoomVideo(
        seed=settings.seed, motion=settings.motion, height=settings.height,
        width=settings.width, rate_hz=settings.rate,
        quality=FULL if settings.quality == 'full' else LIVE,
        noise=settings.noise,
    )
    return video.frame


def _bounce(index: int, length: int) -> int:
    """Return the frame to play forwards and backwards in turn, without a cut at the end."""
    if length == 1:
        return 0
    position = index % (2 * (length - 1))
    return min(position, 2 * (length - 1) - position)


class FrameAhead:
    """
    Renders frames in a thread, a few ahead of the next one.

    The constructor makes the first frame, so that it raises what is missing or damaged.
    """

    def __init__(self, source: FrameFunction, ahead: int = 3) -> None:
        self._source = source
        self._frames: queue.Queue[RoomFrame] = queue.Queue(ahead)
        self._frames.put(source(0))
        self._error: Exception | None = None
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name='renderer', daemon=True)
        self._thread.start()

    def take(self) -> RoomFrame | None:
        """Return the next frame, None where it is not ready; raise what rendering raised."""
        if self._error is not None:
            raise self._error
        try:
            return self._frames.get_nowait()
        except queue.Empty:
            return None

    def close(self) -> None:
        """End the thread."""
        self._closed.set()
        self._thread.join(5.0)

    def _run(self) -> None:
        index = 1
        while not self._closed.is_set():
            try:
                frame = self._source(index)
            except Exception as error:  # noqa: B902
                self._error = error
                return
            self._leave(frame)
            index += 1

    def _leave(self, frame: RoomFrame) -> None:
        while not self._closed.is_set():
            try:
                # With a time-out: nobody takes frames after close, which has to be noticed here.
                return self._frames.put(frame, timeout=0.1)
            except queue.Full:
                continue


GROUND_TRUTH = {
    'ground_truth/semantic/mask': ('mono8', lambda frame: frame.labels),
    'ground_truth/depth/image': ('32FC1', lambda frame: frame.depth),
    'ground_truth/normals/image': ('32FC3', lambda frame: frame.normals),
    'ground_truth/edges/image': ('mono8', lambda frame: frame.edges.astype(np.uint8) * 255),
}
"""The true maps by topic: their encoding, and a function that reads them from a frame."""


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
        # Not the node's clock: with use_sim_time it may stop or jump.
        self.create_timer(
            1 / self._settings.rate, self._tick, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )
        self.get_logger().info(self._introduce())

    def destroy_node(self) -> None:
        """Stop the rendering thread first."""
        if self._frames is not None:
            self._frames.close()
        super().destroy_node()

    def _introduce(self) -> str:
        settings = self._settings
        if settings.clip:
            return f'replaying {settings.clip} at {settings.rate} Hz'
        return (
            f'rendering room {settings.seed}, {settings.motion}, {settings.height}x'
            f'{settings.width} (height x width) at {settings.rate} Hz'
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
