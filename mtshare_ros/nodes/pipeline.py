"""From one camera message to the published outputs of that frame."""

from dataclasses import dataclass, field
import time
from typing import Any

from rclpy.clock import Clock

from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.prediction import FrameStats, InferenceSettings, Prediction
from mtshare_ros.messages.camera_image import CameraImage
from mtshare_ros.messages.camera_info import CameraInfoBuffer
from mtshare_ros.messages.continuity import Continuity
from mtshare_ros.model.framing import frame_to_cover
from mtshare_ros.nodes.calibrated_outputs import CalibratedOutputs
from mtshare_ros.nodes.frame_statistics import FrameStatistics
from mtshare_ros.nodes.image_input import ImageTransport
from mtshare_ros.nodes.notices import Notices
from mtshare_ros.nodes.outputs import Frame, OutputSpec, settings_to_infer
from mtshare_ros.nodes.perception_parameters import RuntimeSettings
from mtshare_ros.nodes.publishing import OutputPublishers
from mtshare_ros.nodes.recovery import run_with_retry
from mtshare_ros.nodes.stamps import AgeMeter


@dataclass(frozen=True)
class Job:
    """
    The message of a camera image, and the settings and outputs that held when it came.

    ``arrived_s`` is the ``time.perf_counter`` of its arrival.
    """

    message: Any
    outputs: tuple[OutputSpec, ...]
    settings: RuntimeSettings
    arrived_s: float = field(default_factory=time.perf_counter)


class Pipeline:
    """
    Decodes, infers, draws and publishes one job at a time, with the memory of one camera.

    ``transport`` says how its images come, ``continuity`` when that memory no longer stands for
    what the camera sees.
    """

    def __init__(
        self, *, engine: Engine, transport: ImageTransport, publishers: OutputPublishers,
        calibrations: CameraInfoBuffer, continuity: Continuity, statistics: FrameStatistics,
        notices: Notices, clock: Clock, max_pixels: int,
    ) -> None:
        self._engine = engine
        self._transport = transport
        self._session = engine.new_session()
        self._palette = engine.labels.palette()
        self._publishers = publishers
        self._calibrated = CalibratedOutputs(
            engine=engine, calibrations=calibrations, publishers=publishers, notices=notices)
        self._continuity = continuity
        self._statistics = statistics
        self._notices = notices
        self._ages = AgeMeter(clock)
        self._max_pixels = max_pixels

    def process(self, job: Job) -> None:
        """Publish the outputs of one job; raise FrameError for an image that cannot be read."""
        image = self._transport.read(job.message, self._max_pixels)
        settings = settings_to_infer(job.outputs, job.settings, self._engine.tasks)
        started = time.perf_counter()
        prediction = (
            self._predict(image, settings) if settings.tasks else self._predict_nothing(image))
        inference_ms = (time.perf_counter() - started) * 1e3
        calibration = self._calibrated.calibrate(prediction, image)
        frame = Frame(prediction, job.settings, self._palette)
        for output in job.outputs:
            if output.draw is not None:
                self._publishers.publish_map(output, output.draw(frame), image.header)
            else:
                self._calibrated.publish(output, prediction, calibration)
        in_all_ms = (time.perf_counter() - job.arrived_s) * 1e3
        self._report_non_finite(prediction.stats)
        self._statistics.finish(
            age_ms=self._age_ms(image), inference_ms=inference_ms,
            overhead_ms=in_all_ms - inference_ms, stats=prediction.stats,
            parameters=job.settings.changed,
        )

    def _predict(self, image: CameraImage, settings: InferenceSettings) -> Prediction:
        reason = self._continuity.check(image)
        if reason:
            self._session.reset(reason)
        try:
            return run_with_retry(
                lambda: self._engine.infer(image.rgb, self._session, settings), self._free_memory)
        except Exception:
            # It may have stopped half way, so nothing may build on what it left.
            self._continuity.interrupt('the frame before failed')
            raise

    def _free_memory(self, error: Exception) -> None:
        """Drop what is remembered of the camera, the largest thing that can be dropped."""
        text = f'the device ran out of memory, the frame is tried again from nothing: {error}'
        self._statistics.fault(text)
        self._notices.warn('memory', text)
        self._session.release('out of memory')
        self._engine.free_memory()

    def _predict_nothing(self, image: CameraImage) -> Prediction:
        """Return what a frame has that only its calibration is asked of."""
        framing = frame_to_cover((image.height, image.width), self._engine.input_size)
        return Prediction(framing, FrameStats(0.0))

    def _report_non_finite(self, stats: FrameStats) -> None:
        """Report a network that returned no numbers; its pixels are marked invalid already."""
        if stats.non_finite:
            text = (
                f'the network returned NaN or infinity for {", ".join(stats.non_finite)}: these '
                f'pixels are invalid, the next frame is computed whole; where it goes on, set '
                f'precision to fp32 or get the model file again'
            )
            self._statistics.fault(text, severe=True)
            self._notices.error('non_finite', text)

    def _age_ms(self, image: CameraImage) -> float:
        age = self._ages.measure(image.header.stamp)
        self._notices.state('stamps', age.fault, warning=True)
        return age.milliseconds
