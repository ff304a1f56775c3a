"""From the message of a camera image to the published outputs of that frame."""

import ctypes
from dataclasses import dataclass, field
import gc
import threading
import time
from typing import Any, Callable, Protocol, TYPE_CHECKING, TypeVar

import torch

from mtshare_ros.image_frame import frame_to_cover
from mtshare_ros.inference.device import is_out_of_memory
from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.map_outputs import MapColors, OutputSpec
from mtshare_ros.inference.prediction import FrameStats, Prediction
from mtshare_ros.messages.camera_image import CameraImage, Continuity
from mtshare_ros.messages.camera_info import CameraInfoMatch, pinhole_of
from mtshare_ros.nodes.perception.camera_calibration import Calibrator
from mtshare_ros.nodes.perception.frame_reports import FrameReports
from mtshare_ros.nodes.perception.input_topics import ImageTransport
from mtshare_ros.nodes.perception.output_publishers import Frame, FramePublisher, settings_to_infer
from mtshare_ros.nodes.perception.parameter_table import RuntimeSettings

if TYPE_CHECKING:  # only a camera that moves loads these
    from mtshare_ros.motion.sensor_motion import Lookup
    from mtshare_ros.nodes.perception.camera_poses import CameraPoses
    from mtshare_ros.nodes.perception.follower_pipeline import FollowerPipeline

Result = TypeVar('Result')


@dataclass(frozen=True)
class Job:
    """
    The message of a camera image, and the settings and outputs that held when it came.

    ``poses`` makes what a reader gets the poses of the camera from, None where no sensor tells
    them. ``follower`` brings the maps of the network to later images, None where that is off.
    ``arrived_s`` is the ``time.perf_counter`` of the arrival.
    """

    message: Any
    outputs: tuple[OutputSpec, ...]
    settings: RuntimeSettings
    poses: 'Callable[[], CameraPoses] | None' = None
    follower: 'FollowerPipeline | None' = None
    arrived_s: float = field(default_factory=time.perf_counter)


@dataclass(frozen=True)
class CameraParts:
    """
    What the threads that serve one camera share.

    ``transport`` says how images come, ``max_pixels`` how large they may be.
    """

    engine: Engine
    transport: ImageTransport
    max_pixels: int
    calibrator: Calibrator
    publisher: FramePublisher
    reports: FrameReports

    def read(self, message: Any) -> CameraImage:
        """Return the image of a message; raise FrameError for one that cannot be read."""
        return self.transport.read(message, self.engine.input_size, self.max_pixels)

    def colors(self, settings: RuntimeSettings) -> MapColors:
        """Return how maps are coloured."""
        return MapColors(
            self.engine.labels.palette(), settings.semantic_color_alpha,
            settings.depth_color_range)


class PoseReader:
    """
    The poses of one camera for one thread.

    Each thread has its own, because a gyroscope's poses add up from one image of the thread to the
    next.
    """

    def __init__(self) -> None:
        self._source: 'Callable[[], CameraPoses] | None' = None
        self._poses: 'CameraPoses | None' = None

    def at(self, job: Job, header: Any) -> 'Lookup | None':
        """Return the pose that belongs to an image's header, None where no sensor is used."""
        # Another function stands for another motion.source: its poses begin anew.
        if job.poses is not self._source:
            self._source, self._poses = job.poses, job.poses() if job.poses else None
        return self._poses.at(header) if self._poses else None


class Pipeline:
    """
    Turns the images of one camera into published outputs, and keeps the memory of that camera.

    ``handle`` and ``process`` run in the inference thread; ``start_anew`` may be called from any.
    """

    def __init__(self, parts: CameraParts) -> None:
        self._parts = parts
        self._engine = parts.engine
        self._reports = parts.reports
        self._poses = PoseReader()
        self._session = self._engine.new_session()
        self._engine.prepare(self._session)
        self._continuity = Continuity('activated')

    def start_anew(self, reason: str) -> None:
        """Compute the next frame whole, without what is remembered."""
        self._continuity.interrupt(reason)

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
        frame = Frame(image.header, prediction, calibration, self._parts.colors(job.settings))
        # Only after depth was scaled in place: another thread reads the maps from here on.
        if job.follower is not None:
            job.follower.keep(job, frame)
        published = self._parts.publisher.publish(frame, job.outputs, job.arrived_s)
        in_all_ms = (time.perf_counter() - job.arrived_s) * 1e3
        # After publishing: a frame that cannot be published counts as failed, not as computed.
        self._reports.computed(prediction.stats, inference_ms, job.settings.changed)
        if published:
            self._reports.published(image.header, in_all_ms - inference_ms)

    def _infer(self, image: CameraImage, job: Job, calibration: CameraInfoMatch) -> Prediction:
        """Return the maps that the outputs of a job show."""
        settings = settings_to_infer(job.outputs, job.settings, self._engine.tasks)
        camera = None if calibration.info is None else pinhole_of(calibration.info)
        if not settings.tasks:  # only the calibration of the maps is subscribed to
            framing = frame_to_cover((image.height, image.width), self._engine.input_size)
            return Prediction(framing, FrameStats(0.0))
        found = self._poses.at(job, image.header)
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
            # The engine may have stopped half way: what it remembers may belong to two frames.
            self._continuity.interrupt('the frame before failed')
            raise

    def _free_memory(self, error: Exception) -> None:
        """Drop what is remembered of the camera, the largest thing that can be dropped."""
        self._session.release('out of memory')
        # First the process: a Jetson's GPU shares its memory, and captured graphs may be held by
        # reference cycles.
        free_memory()
        self._engine.free_memory()
        self._reports.ran_out_of_memory(error)


def run_with_retry(
    action: Callable[[], Result], free: Callable[[Exception], None]
) -> Result:
    """Return what an action returns; where memory runs out, free some and try once more."""
    try:
        return action()
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        shortage = error
    # Outside the handler and without tracebacks: they keep the tensors of the failed try alive.
    cause: BaseException | None = shortage
    while cause is not None:
        cause.__traceback__ = None
        cause = cause.__cause__ or cause.__context__
    free(shortage)
    return action()


def free_memory() -> None:
    """
    Give unused memory of the process back to the system; takes some hundred milliseconds.

    Subscriptions and their callbacks refer to each other, and to the network and its memory of a
    camera. Python looks for such cycles rarely, and the C library keeps what was freed in the
    heaps of single threads.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), 'malloc_trim', None)  # only glibc has it
    if trim is not None:
        trim(0)


class JobHandler(Protocol):
    """What a thread hands the jobs of one camera to."""

    def handle(self, job: Job) -> None:
        """Process one job; an error costs that job and no other."""


class InferenceThread:
    """
    Handles the newest job of each camera, one at a time, in a thread of its own.

    The executor's thread calls ``put`` and ``stop``. A newer job replaces one of its camera that
    has not begun, so no queue can grow. Cameras take turns: one whose job was replaced keeps its
    place in the line, so that a fast camera cannot keep the others waiting. ``prepare`` is called
    in the thread before the first job.
    """

    def __init__(
        self, name: str = 'inference', prepare: Callable[[], None] = lambda: None
    ) -> None:
        self._condition = threading.Condition()
        self._slots: dict[JobHandler, Job] = {}
        self._stopped = False
        self._prepare = prepare
        # daemon: a frame that hangs in a driver must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def put(self, handler: JobHandler, job: Job) -> bool:
        """Leave a job for the handler of its camera; return whether it replaced an older one."""
        with self._condition:
            replaced = handler in self._slots
            # A key of a dict that is set again keeps its place: that of the camera in the line.
            self._slots[handler] = job
            self._condition.notify()
        return replaced

    def stop(self, timeout_s: float) -> bool:
        """Finish the running job, drop the others; return whether the thread ended in time."""
        with self._condition:
            self._stopped = True
            self._slots.clear()
            self._condition.notify()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        self._prepare()
        while (turn := self._take()) is not None:
            handler, job = turn
            handler.handle(job)

    def _take(self) -> tuple[JobHandler, Job] | None:
        """Wait for the job whose turn it is; return None when the thread is to end."""
        with self._condition:
            self._condition.wait_for(lambda: self._stopped or self._slots)
            if self._stopped:
                return None
            handler = next(iter(self._slots))
            return handler, self._slots.pop(handler)


def start_one_core_thread(name: str) -> InferenceThread:
    """
    Start a thread in which PyTorch computes on one core, whatever the other threads use.

    It shares the cores with the network. If it waited for helper threads at every step, its images
    would be ready only after the network's frame.
    """
    others, ready = torch.get_num_threads(), threading.Event()

    def compute_alone() -> None:
        torch.get_num_threads()  # the first call of a thread copies the number of the process
        torch.set_num_threads(1)
        ready.set()

    thread = InferenceThread(name, compute_alone)
    ready.wait()
    # set_num_threads also changed the number that later threads begin with
    torch.set_num_threads(others)
    return thread
