"""From one camera message to the published outputs of that frame."""

import time

from mtshare_ros.image_frame import frame_to_cover
from mtshare_ros.inference.prediction import FrameStats, Prediction
from mtshare_ros.messages.camera_image import CameraImage
from mtshare_ros.messages.camera_info import CameraInfoMatch, pinhole_of
from mtshare_ros.messages.continuity import Continuity
from mtshare_ros.nodes.perception.camera_parts import CameraParts
from mtshare_ros.nodes.perception.carrying import CarryingPipeline
from mtshare_ros.nodes.perception.freeing import free_memory
from mtshare_ros.nodes.perception.job import Job
from mtshare_ros.nodes.perception.motion_input import PoseReader
from mtshare_ros.nodes.perception.outputs import Frame, settings_to_infer
from mtshare_ros.nodes.perception.recovery import run_with_retry


class Pipeline:
    """
    Turns the images of one camera into published outputs, with the memory of that camera.

    ``handle`` and ``process`` run in the inference thread; ``start_anew`` may be called from any.
    ``carrying`` takes the maps to later images where that is chosen.
    """

    def __init__(
        self, parts: CameraParts, poses: PoseReader, carrying: CarryingPipeline
    ) -> None:
        self._parts = parts
        self._engine = parts.engine
        self._reports = parts.reports
        self._poses = poses
        self._carrying = carrying
        self._session = self._engine.new_session()
        self._engine.prepare(self._session)
        self._continuity = Continuity('activated')

    def start_anew(self, reason: str) -> None:
        """Have the next frame build on nothing."""
        self._continuity.interrupt(reason)
        self._carrying.start_anew(reason)

    def handle(self, job: Job) -> None:
        """Process one job; an error costs that frame and no other."""
        try:
            self.process(job)
        except Exception as error:  # noqa: B902
            self._reports.failed(error)

    def process(self, job: Job) -> None:
        """Publish the outputs of one job; raise FrameError for an image that cannot be read."""
        image = self._parts.read(job.message)
        read_s = time.perf_counter()
        calibration = self._parts.calibrator.calibrate(image)
        prediction = self._infer(image, job, calibration)
        inference_ms = (time.perf_counter() - read_s) * 1e3
        self._parts.calibrator.bring_to_scale(prediction, calibration)
        frame = Frame(image.header, prediction, calibration, self._parts.look(job.settings))
        if job.settings.motion.carries:
            self._carrying.keep(job, frame)
        published = self._parts.outlet.publish(job, frame)
        in_all_ms = (time.perf_counter() - job.arrived_s) * 1e3
        self._reports.computed(prediction.stats, inference_ms, job.settings.changed)
        if published:
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
