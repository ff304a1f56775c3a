"""Maps for every image of a camera: the newest ones of the network, moved to the image."""

import time

from mtshare_ros.errors import FrameError
from mtshare_ros.image_frame import fit_frame, frame_to_cover
from mtshare_ros.inference.prediction import FrameStats, Prediction
from mtshare_ros.messages.camera_image import CameraImage, Continuity
from mtshare_ros.messages.camera_info import pinhole_of
from mtshare_ros.motion.map_follower import FollowedView, MapFollower, NetworkFrame
from mtshare_ros.nodes.perception.output_publishers import Frame
from mtshare_ros.nodes.perception.pipeline import CameraParts, Job, PoseReader
from mtshare_ros.stamps import nanoseconds_of


class FollowerPipeline:
    """
    Carries the maps of one camera to each of its images, beside the pipeline that computes them.

    That pipeline calls ``keep`` in its thread; ``handle`` runs in a thread of its own;
    ``start_anew`` may be called from any.
    """

    def __init__(self, parts: CameraParts) -> None:
        self._parts = parts
        self._poses = PoseReader()
        self._follower = MapFollower(parts.engine.input_size)
        self._continuity = Continuity('activated')
        self._kept: tuple[Job, Frame] | None = None
        self._taken: tuple[Job, Frame] | None = None
        self._stats = FrameStats(0.0)
        self._since_s = float('-inf')

    def start_anew(self, reason: str) -> None:
        """Carry no map of an earlier image from now on."""
        self._continuity.interrupt(reason)

    def keep(self, job: Job, frame: Frame) -> None:
        """Carry the maps that the network made of a job from now on."""
        # One assignment: the other thread never sees a job with the frame of another.
        self._kept = (job, frame)

    def handle(self, job: Job) -> None:
        """Carry maps to one image; an error costs that image and no other."""
        try:
            self.process(job)
        except FrameError:
            pass  # the pipeline that computes reads the same image, and reports it
        except Exception as error:  # noqa: B902
            self._parts.reports.could_not_carry(error)

    def process(self, job: Job) -> None:
        """Publish the outputs of one image, where maps can be carried to it."""
        image = self._parts.read(job.message)
        if self._continuity.check(image):
            self._since_s = job.arrived_s
            self._follower.forget()
        self._take_kept()
        framing = frame_to_cover((image.height, image.width), self._parts.engine.input_size)
        seen = fit_frame(image.picture, framing)
        pose = self._poses.at(job, image.header)
        view = self._follower.follow(seen, time_of(job), pose.motion if pose else None)
        if view.maps is None or view.frame is None:
            self._parts.reports.not_carried(view.reason)
            return
        prediction = Prediction.from_maps(framing, self._stats, view.maps, image=seen)
        self._publish(job, image, prediction, view)

    def _take_kept(self) -> None:
        """Follow the newest frame of the network, unless the images do not continue it."""
        kept = self._kept
        if kept is None or kept is self._taken or kept[0].arrived_s < self._since_s:
            return
        self._taken = kept
        job, frame = kept
        found, info = frame.prediction, frame.calibration.info
        if found.image is not None and found.maps:
            self._stats = found.stats
            self._follower.keep(NetworkFrame(
                found.maps, found.image, time_of(job),
                None if info is None else pinhole_of(info)))

    def _publish(
        self, job: Job, image: CameraImage, prediction: Prediction, view: FollowedView
    ) -> None:
        calibration = self._parts.calibrator.calibrate(image)
        frame = Frame(
            image.header, prediction, calibration, self._parts.colors(job.settings))
        if self._parts.publisher.publish(frame, job.outputs, job.arrived_s):
            took_ms = (time.perf_counter() - job.arrived_s) * 1e3
            behind_ns = time_of(job) - view.frame.time_ns if view.frame else 0
            self._parts.reports.carried(image.header, took_ms, behind_ns / 1e6)


def time_of(job: Job) -> int:
    """Return when the image of a job was taken in nanoseconds, without a stamp when it came."""
    return nanoseconds_of(job.message.header.stamp) or int(job.arrived_s * 1e9)
