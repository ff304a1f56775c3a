"""What is said of the frames of one camera: counters and times, faults, and lines in the log."""

from typing import Any

from rclpy.lifecycle import LifecycleNode

from mtshare_ros.errors import FrameError
from mtshare_ros.inference.prediction import FrameStats
from mtshare_ros.motion.sensor_motion import Lookup
from mtshare_ros.nodes.notices import Notices
from mtshare_ros.nodes.perception.failure_streak import FailureStreak
from mtshare_ros.nodes.perception.frame_statistics import FrameStatistics
from mtshare_ros.nodes.perception.pose_watch import PoseWatch
from mtshare_ros.nodes.perception.stamps import AgeMeter


class FrameReports:
    """
    Tells the diagnostics and the log what became of frames; called by the inference thread.

    ``streak`` counts the frames that failed one after the other, from activation on, ``poses``
    knows whether other sensors tell where the camera is. ``topic`` is that of its images.
    """

    def __init__(
        self, node: LifecycleNode, topic: str, statistics: FrameStatistics, notices: Notices
    ) -> None:
        self._node = node
        self._topic = topic
        self._statistics = statistics
        self._notices = notices
        self._ages = AgeMeter(node.get_clock())
        self.streak = FailureStreak()
        self.poses = PoseWatch(notices)

    def pose(self, found: Lookup | None) -> None:
        """Report what other sensors told of the camera's pose for an image; None: not asked."""
        self.poses.note(found)
        if found is not None and found.motion is not None:
            self._statistics.note_pose(found.late_ns / 1e6)

    def computed(self, stats: FrameStats, inference_ms: float, parameters: str) -> None:
        """Count a frame of the network; see ``FrameStatistics.compute``."""
        self.streak.end()
        self._report_non_finite(stats)
        self._statistics.compute(inference_ms=inference_ms, stats=stats, parameters=parameters)

    def published(self, header: Any, overhead_ms: float) -> None:
        """Note that the outputs of such a frame were published."""
        self._statistics.publish(age_ms=self._measure_age(header), overhead_ms=overhead_ms)

    def carried(self, header: Any, took_ms: float, behind_ms: float) -> None:
        """Count an image that maps were carried to; see ``FrameStatistics.carry``."""
        self._statistics.carry(
            age_ms=self._measure_age(header), took_ms=took_ms, behind_ms=behind_ms)

    def not_carried(self, reason: str) -> None:
        """Count an image that no maps could be carried to."""
        self._statistics.not_carry(reason)

    def could_not_carry(self, error: Exception) -> None:
        """Report an error while maps were carried to an image."""
        if self._node.context.ok():
            self._statistics.reject('not_carried', repr(error))
            self._notices.error(
                f'carrying: {error!r}', f'could not carry maps to an image: {error!r}')

    def failed(self, error: Exception) -> None:
        """Report a frame that could not be processed."""
        if not self._node.context.ok():
            return  # a signal ended ROS in the middle of the frame; nothing went wrong
        if isinstance(error, FrameError):
            self._statistics.reject('rejected', str(error))
            self._notices.warn(str(error), f'dropped an image of {self._topic}: {error}')
        else:
            self.streak.note(error)
            self._statistics.reject('failed', repr(error))
            self._notices.error(
                repr(error), f'dropped a frame, the next one is tried again: {error!r}')

    def ran_out_of_memory(self, error: Exception) -> None:
        """Report a frame that is tried a second time."""
        text = f'the device ran out of memory, the frame is tried again from nothing: {error}'
        self._statistics.fault(text)
        self._notices.warn('memory', text)

    def _measure_age(self, header: Any) -> float:
        """Return the age of an image in milliseconds, NaN where it is not known."""
        age = self._ages.measure(header.stamp)
        self._notices.state('stamps', age.fault, warning=True)
        return age.milliseconds

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
