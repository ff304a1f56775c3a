"""From one camera message to the published outputs of that frame."""

from dataclasses import dataclass
import time

import numpy as np
from rclpy.clock import Clock
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo, Image

from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.prediction import FrameStats, InferenceSettings, Prediction
from mtshare_ros.model.framing import frame_to_cover
from mtshare_ros.nodes.camera_info import CameraInfoBuffer, scale_camera_info
from mtshare_ros.nodes.codec import image_to_rgb
from mtshare_ros.nodes.continuity import Continuity
from mtshare_ros.nodes.frame_statistics import FrameStatistics
from mtshare_ros.nodes.notices import Notices
from mtshare_ros.nodes.outputs import Frame, OutputSpec, shows_activity, tasks_to_infer
from mtshare_ros.nodes.perception_parameters import RuntimeSettings
from mtshare_ros.nodes.publishing import OutputPublishers


@dataclass(frozen=True)
class Job:
    """A camera image, and the settings and outputs that held when it came."""

    image: Image
    outputs: tuple[OutputSpec, ...]
    settings: RuntimeSettings


class Pipeline:
    """
    Decodes, infers, draws and publishes one job at a time, with the memory of one camera.

    ``continuity`` says when that memory no longer stands for what the camera sees.
    """

    def __init__(
        self, *, engine: Engine, publishers: OutputPublishers, calibrations: CameraInfoBuffer,
        continuity: Continuity, statistics: FrameStatistics, notices: Notices, clock: Clock,
        max_pixels: int,
    ) -> None:
        self._engine = engine
        self._cache = engine.new_cache()
        self._palette = engine.labels.palette()
        self._publishers = publishers
        self._calibrations = calibrations
        self._continuity = continuity
        self._statistics = statistics
        self._notices = notices
        self._clock = clock
        self._max_pixels = max_pixels

    def process(self, job: Job) -> None:
        """Publish the outputs of one job; raise FrameError for an image that cannot be read."""
        rgb = image_to_rgb(job.image, self._max_pixels)
        tasks = tasks_to_infer(job.outputs, job.settings, self._engine.tasks)
        started = time.perf_counter()
        prediction = self._predict(rgb, tasks, job) if tasks else self._predict_nothing(rgb)
        inference_ms = (time.perf_counter() - started) * 1e3
        frame = Frame(prediction, job.settings, self._palette)
        for output in job.outputs:
            if output.draw is not None:
                self._publishers.publish_map(output, output.draw(frame), job.image.header)
            else:
                self._publish_calibration(output, frame, job.image)
        self._statistics.finish(
            age_ms=self._age_ms(job.image), inference_ms=inference_ms, stats=prediction.stats,
        )

    def _predict(self, rgb: np.ndarray, tasks: tuple[str, ...], job: Job) -> Prediction:
        reason = self._continuity.check(job.image)
        if reason:
            self._cache.reset(reason)
        settings = InferenceSettings(
            tasks, job.settings.sharing, activity=shows_activity(job.outputs))
        try:
            return self._engine.infer(rgb, self._cache, settings)
        except Exception:
            # It may have stopped half way, so nothing may build on what it left.
            self._continuity.interrupt('the frame before failed')
            raise

    def _predict_nothing(self, rgb: np.ndarray) -> Prediction:
        """Return what a frame has that only its calibration is asked of."""
        framing = frame_to_cover((rgb.shape[0], rgb.shape[1]), self._engine.input_size)
        return Prediction(framing, FrameStats(0.0))

    def _publish_calibration(self, output: OutputSpec, frame: Frame, image: Image) -> None:
        match = self._calibrations.match(image.header, (image.height, image.width))
        reason = f'{output.topic} is withheld: {match.reason}' if match.reason else ''
        self._notices.state(output.topic, reason)
        if match.info is not None:
            info: CameraInfo = scale_camera_info(
                match.info, frame.prediction.framing, image.header
            )
            self._publishers.publish_calibration(output, info)

    def _age_ms(self, image: Image) -> float:
        stamp = Time.from_msg(image.header.stamp, clock_type=self._clock.clock_type)
        return max(0.0, (self._clock.now() - stamp).nanoseconds / 1e6)
