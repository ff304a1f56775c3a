"""The calibrations that are recorded beside images, matched to these."""

from collections import Counter
from typing import Any

from mtshare_ros.image_frame import frame_to_cover
from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.map_camera import say_assumed_camera
from mtshare_ros.inference.map_outputs import task_of
from mtshare_ros.messages.camera_image import CameraImage
from mtshare_ros.messages.camera_info import (
    CameraInfoBuffer,
    CameraInfoMatch,
    find_lens_doubt,
    find_lens_fault,
    scale_camera_info,
    shows_rectified,
)
from mtshare_ros.recording.bag_messages import CAMERA_INFO, MessageTypes, OutputMessages, POINTS
from mtshare_ros.recording.bag_parts import BagMessage
from mtshare_ros.recording.bag_plan import BagPlan
from mtshare_ros.recording.notices import Notices


class RecordedCalibrations:
    """
    The last calibrations that were read from a recording, for the maps of its images.

    ``notices`` are told what is missing or inexact for want of a better calibration.
    """

    def __init__(
        self, plan: BagPlan, engine: Engine, types: MessageTypes, outputs: OutputMessages,
        notices: Notices,
    ) -> None:
        self._plan = plan
        self._engine = engine
        self._types = types
        self._outputs = outputs
        self._notices = notices
        self._infos = CameraInfoBuffer(
            rectified=shows_rectified(plan.image_topic, plan.camera_matrix))

    def clear(self) -> None:
        """Forget all."""
        self._infos.clear()

    def add(self, message: BagMessage, time_s: float) -> bool:
        """
        Keep a calibration that was recorded at a time, and no other message.

        Returns False for one that cannot be read.
        """
        wanted = self._plan.calibration_topic, CAMERA_INFO
        if (message.topic, message.channel.message_type) != wanted:
            return True
        try:
            self._infos.add(self._types.read(message.data, CAMERA_INFO))
        except Exception as error:  # noqa: B902 - rosbags raises anything for malformed bytes
            self._notices.say_once(
                f'left out a calibration at {time_s:.3f} s that cannot be read: {error}',
                str(error))
            return False
        return True

    def match(self, image: CameraImage) -> CameraInfoMatch:
        """Return the CameraInfo of an image; its reason tells why it may be None."""
        return self._infos.match(image.header, (image.height, image.width))

    def scale(self, match: CameraInfoMatch, image: CameraImage) -> Any:
        """Return the CameraInfo of the maps of an image, None without one; raise FrameError."""
        if match.info is None:
            return None
        framing = frame_to_cover((image.height, image.width), self._engine.input_size)
        return scale_camera_info(match.info, framing, image.header)

    def left_out(self, match: CameraInfoMatch) -> Counter[str]:
        """Count the outputs that a frame lacks, and say, once for each reason, which and why."""
        left_out = self._outputs.left_out(match.info)
        without = [f'{topic} is left out' for topic in left_out]
        shown = set(map(task_of, self._plan.outputs))
        if match.info is None and 'depth' in shown:
            without.append('depth is in the scale of the camera that the model was trained with')
        if match.info is None and 'normals' in shown.difference(self._engine.network_tasks):
            assumed = say_assumed_camera(self._engine.assumed_focal_length)
            without.append(f'normals are worked out from depth, for {assumed}')
        reason = match.reason or find_lens_fault(match.info)
        if without:
            self._notices.say_once(f'{", ".join(without)}: {reason}', reason)
        elif POINTS in self._plan.outputs:
            doubt = find_lens_doubt(match.info)
            self._notices.say_once(f'{POINTS} is inexact: {doubt}', doubt)
        return Counter(left_out)
