"""The way out of one camera's frames, whichever thread they come from."""

import threading

from mtshare_ros.nodes.perception.calibrator import Calibrator
from mtshare_ros.nodes.perception.job import Job
from mtshare_ros.nodes.perception.outputs import Frame, OutputSpec
from mtshare_ros.nodes.perception.publishing import OutputPublishers
from mtshare_ros.tasks import get_task


class Outlet:
    """
    Publishes frames in the order in which their images came; one that comes too late is left out.

    Two threads may publish: the messages are drawn one frame at a time.
    """

    def __init__(self, publishers: OutputPublishers, calibrator: Calibrator) -> None:
        self._publishers = publishers
        self._calibrator = calibrator
        self._lock = threading.Lock()
        self._newest_s = float('-inf')

    def publish(self, job: Job, frame: Frame) -> bool:
        """Publish the outputs of a job that its frame has; return whether it was the newest."""
        if job.arrived_s <= self._newest_s:
            return False  # without waiting until the newer one is out
        with self._lock:
            if job.arrived_s <= self._newest_s:
                return False
            self._newest_s = job.arrived_s
            shown = tuple(output for output in job.outputs if _is_in(frame, output))
            for output in self._calibrator.admit(shown, frame.calibration):
                message = self._publishers.draw(output, frame)
                self._publishers.publish(output, message)
        return True


def _is_in(frame: Frame, output: OutputSpec) -> bool:
    """Tell whether a frame has the map of an output; one that was just asked for comes later."""
    if not output.inferred:
        return True
    if output.activity:
        return bool(frame.prediction.stats.activity)
    name = 'disparity' if output.relative else get_task(output.task).map
    found = frame.prediction.maps
    return name in found or output.topic == 'depth/color' and 'disparity' in found
