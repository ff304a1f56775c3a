"""What the diagnostics and the log tell about the frames of one camera, and about its faults."""

import time
from typing import Any, Callable, TYPE_CHECKING

from rclpy.lifecycle import LifecycleNode

from mtshare_ros.errors import FrameError
from mtshare_ros.inference.device import is_out_of_memory
from mtshare_ros.inference.prediction import FrameStats
from mtshare_ros.nodes.notices import Notices
from mtshare_ros.nodes.perception.frame_statistics import FrameStatistics
from mtshare_ros.nodes.perception.input_watch import AgeMeter

if TYPE_CHECKING:  # only a camera that moves loads it
    from mtshare_ros.motion.sensor_motion import Lookup


class FrameReports:
    """
    Counts and logs what became of frames; called by the threads that compute.

    ``streak`` counts the frames that failed one after the other since activation, ``poses``
    notices missing poses. ``topic`` is that of the camera's images.
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

    def pose(self, found: 'Lookup | None') -> None:
        """Report the pose that sensors told for an image; None where no sensor is used."""
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
            return  # a signal ended ROS during the frame; nothing is wrong
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
        text = ('the device ran out of memory, the frame is computed again without what was '
                f'remembered: {error}')
        self._statistics.fault(text)
        self._notices.warn('memory', text)

    def _measure_age(self, header: Any) -> float:
        """Return the age of an image in milliseconds, NaN where it is not known."""
        age = self._ages.measure(header.stamp)
        self._notices.state('stamps', age.fault, warning=True)
        return age.milliseconds

    def _report_non_finite(self, stats: FrameStats) -> None:
        """Report NaN or infinity from the network; the engine marked these pixels invalid."""
        if stats.non_finite:
            text = (
                f'the network returned NaN or infinity for {", ".join(stats.non_finite)}: these '
                f'pixels are invalid, the next frame is computed whole; where it goes on, set '
                f'precision to fp32 or get the model file again'
            )
            self._statistics.fault(text, severe=True)
            self._notices.error('non_finite', text)


ERROR_AFTER = 5
"""Frames in a row that fail before the diagnostics report an error."""
GIVE_UP_AFTER = 3
"""Frames in a row that run out of memory before the node deactivates itself."""


class FailureStreak:
    """
    Counts the frames of one camera that failed since the last one that succeeded.

    ``hopeless`` tells why the node should stop trying, or is empty. Once set it stays, because
    the node reads it only now and then and a frame may succeed in between.
    """

    def __init__(self) -> None:
        self._failed = 0
        self._out_of_memory = 0
        self._last = ''
        self.hopeless = ''

    def note(self, error: Exception) -> None:
        """Count a frame that failed."""
        self._failed += 1
        self._out_of_memory = self._out_of_memory + 1 if is_out_of_memory(error) else 0
        self._last = str(error) or repr(error)
        if self._out_of_memory >= GIVE_UP_AFTER:
            self.hopeless = (
                f'the device ran out of memory {self._out_of_memory} frames in a row '
                f'({self._last}); free memory, choose a smaller input_size or fewer cameras, then '
                f'activate again'
            )

    def end(self) -> None:
        """Note a frame that was published."""
        self._failed = self._out_of_memory = 0

    @property
    def error(self) -> str:
        """The error that a long streak is reported with, or an empty text."""
        if self._failed < ERROR_AFTER:
            return ''
        return f'{self._failed} frames in a row failed, the last one with: {self._last}'


PATIENCE_S = 1.0
"""How long poses may be missing before it is reported: single ones often come late."""


class PoseWatch:
    """
    Logs once that the poses of a camera are missing, and once that they came back.

    The thread that computes calls ``note``; the executor's reads ``fault``.
    """

    def __init__(
        self, notices: Notices, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._notices = notices
        self._clock = clock
        self._missing_since_s: float | None = None
        self.fault = ''
        """Why poses have been missing for a while, or an empty text."""

    def note(self, found: 'Lookup | None') -> None:
        """Note what was found for an image; None where no sensor is used."""
        if found is None or found.motion is not None:
            if self.fault:
                self._notices.state('poses', 'poses of the camera again')
            self._missing_since_s, self.fault = None, ''
            return
        if self._missing_since_s is None:
            self._missing_since_s = self._clock()
        if self._clock() - self._missing_since_s < PATIENCE_S:
            return
        first, self.fault = not self.fault, f'{found.reason}; the images decide'
        if first:
            self._notices.state('poses', f'no pose of the camera: {self.fault}', warning=True)
