"""From one camera message to the published outputs of that frame."""

import time

from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.map_outputs import Look
from mtshare_ros.inference.prediction import FrameStats, Prediction
from mtshare_ros.messages.camera_image import CameraImage
from mtshare_ros.messages.camera_info import CameraInfoMatch, pinhole_of
from mtshare_ros.messages.continuity import Continuity
from mtshare_ros.model.framing import frame_to_cover
from mtshare_ros.nodes.calibrator import Calibrator
from mtshare_ros.nodes.frame_reports import FrameReports
from mtshare_ros.nodes.freeing import free_memory
from mtshare_ros.nodes.image_input import ImageTransport
from mtshare_ros.nodes.job import Job
from mtshare_ros.nodes.motion_input import PoseReader
from mtshare_ros.nodes.outputs import Frame, settings_to_infer
from mtshare_ros.nodes.perception_parameters import RuntimeSettings
from mtshare_ros.nodes.publishing import OutputPublishers
from mtshare_ros.nodes.recovery import run_with_retry


class Pipeline:
    """
    Turns the images of one camera into published outputs, with the memory of that camera.

    ``handle`` and ``process`` run in the inference thread; ``start_anew`` may be called from any.
    ``transport`` says how the images come.
    """

    def __init__(
        self, *, engine: Engine, transport: ImageTransport, calibrator: Calibrator,
        publishers: OutputPublishers, reports: FrameReports, max_pixels: int, poses: PoseReader,
    ) -> None:
        self._engine = engine
        self._transport = transport
        self._calibrator = calibrator
        self._publishers = publishers
        self._reports = reports
        self._poses = poses
        self._max_pixels = max_pixels
        self._session = engine.new_session()
        engine.prepare(self._session)
        self._palette = engine.labels.palette()
        self._continuity = Continuity('activated')

    def start_anew(self, reason: str) -> None:
        """Have the next frame build on nothing."""
        self._continuity.interrupt(reason)

    def handle(self, job: Job) -> None:
        """Process one job; an error costs that frame and no other."""
        try:
            self.process(job)
        except Exception as error:  # noqa: B902
            self._reports.failed(error)

    def process(self, job: Job) -> None:
        """Publish the outputs of one job; raise FrameError for an image that cannot be read."""
        image = self._transport.read(
            job.message, self._engine.input_size, self._max_pixels)
        read_s = time.perf_counter()
        calibration = self._calibrator.calibrate(image)
        prediction = self._infer(image, job, calibration)
        inference_ms = (time.perf_counter() - read_s) * 1e3
        self._calibrator.bring_to_scale(prediction, calibration)
        frame = Frame(image.header, prediction, calibration, self._look(job.settings))
        for output in self._calibrator.admit(job.outputs, calibration):
            message = self._publishers.draw(output, frame)
            self._publishers.publish(output, message)
        in_all_ms = (time.perf_counter() - job.arrived_s) * 1e3
        self._reports.computed(prediction.stats, inference_ms, job.settings.changed)
        self._reports.published(image.header, in_all_ms - inference_ms)

    def _infer(self, image: CameraImage, job: Job, calibration: CameraInfoMatch) -> Prediction:
        """Return the maps that the outputs of a job show."""
        settings = settings_to_infer(job.outputs, job.settings, self._engine.tasks)
        camera = None if calibration.info is None else pinhole_of(calibration.info)
        if not settings.tasks:  # only the calibration of the maps is asked for
            framing = frame_to_cover((image.height, image.width), self._engine.input_size)
            return Prediction(framing, FrameStats(0.0))
        found = self._poses.at(image.header)
        self._reports.pose(found)
        pose = found.motion if found else None
        reason = self._continuity.check(image)
        if reason:
            self._session.reset(reason)
        try:
            return run_with_retry(
                lambda: self._engine.infer(image.picture, self._session, settings, camera, pose),
                self._free_memory)
        except Exception:
            # It may have stopped half way, so nothing may build on what it left.
            self._continuity.interrupt('the frame before failed')
            raise

    def _free_memory(self, error: Exception) -> None:
        """Drop what is remembered of the camera, the largest thing that can be dropped."""
        self._session.release('out of memory')
        # a Jetson's GPU shares the memory of the process; captured work may stand in circles
        free_memory()
        self._engine.free_memory()
        self._reports.ran_out_of_memory(error)

    def _look(self, settings: RuntimeSettings) -> Look:
        return Look(self._palette, settings.semantic_color_alpha, settings.depth_color_range)
