"""What rests on the camera's calibration: metres, the calibration of the maps, and points."""

from typing import Sequence

from mtshare_ros.image_frame import frame_to_cover
from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.geometry import say_assumed_camera
from mtshare_ros.inference.prediction import Prediction
from mtshare_ros.messages.camera_image import CameraImage
from mtshare_ros.messages.camera_info import (
    CameraInfoBuffer,
    CameraInfoMatch,
    find_lens_doubt,
    find_lens_fault,
    scale_camera_info,
)
from mtshare_ros.nodes.notices import Notices
from mtshare_ros.nodes.perception.outputs import OutputSpec
from mtshare_ros.nodes.perception.publishing import OutputPublishers


class Calibrator:
    """
    Applies the calibrations of one camera to its frames, in the inference thread.

    The executor's thread adds to ``infos`` what comes, and reads ``withheld``.
    """

    def __init__(
        self, engine: Engine, infos: CameraInfoBuffer, publishers: OutputPublishers,
        notices: Notices,
    ) -> None:
        self._engine = engine
        self._infos = infos
        self._publishers = publishers
        self._notices = notices
        self.withheld: dict[OutputSpec, str] = {}
        """Why outputs of the last frame were not published, by output."""

    def calibrate(self, image: CameraImage) -> CameraInfoMatch:
        """Return the calibration of an image's maps."""
        size = image.height, image.width
        match = self._infos.match(image.header, size)
        if match.info is None:
            return match
        framing = frame_to_cover(size, self._engine.input_size)
        return CameraInfoMatch(scale_camera_info(match.info, framing, image.header))

    def bring_to_scale(self, prediction: Prediction, calibration: CameraInfoMatch) -> None:
        """Bring a frame's depth to the camera's scale; say what maps rest on without one."""
        self._scale_depth(prediction, calibration)
        self._notices.state('normals camera', self._assumed_of_normals(prediction, calibration))

    def admit(
        self, outputs: Sequence[OutputSpec], calibration: CameraInfoMatch
    ) -> list[OutputSpec]:
        """Return the outputs that a frame's calibration allows; say why others are withheld."""
        reasons = {output: why_withheld(output, calibration) for output in outputs}
        for output, reason in reasons.items():
            told = f'{self._publishers.topic_name(output)} is withheld: {reason}' if reason else ''
            self._notices.state(output.topic, told)
            if output.message == 'PointCloud2' and not reason:
                self._notices.state('lens', find_lens_doubt(calibration.info))
        self.withheld = {output: reason for output, reason in reasons.items() if reason}
        return [output for output in outputs if output not in self.withheld]

    def _assumed_of_normals(
        self, prediction: Prediction, calibration: CameraInfoMatch
    ) -> str:
        """Say what normals rest on that come from depth, and for what camera."""
        derived = 'normals' not in self._engine.network_tasks
        if prediction.normals is None or not derived or calibration.info is not None:
            return ''
        assumed = say_assumed_camera(self._engine.assumed_focal_length)
        return f'normals are worked out from depth, for {assumed}: {calibration.reason}'

    def _scale_depth(self, prediction: Prediction, calibration: CameraInfoMatch) -> None:
        """Scale depth in place, or say what it rests on without a calibration."""
        if prediction.depth is None:
            return
        model, assumed = self._engine.description, ''
        if model.focal_length is None:
            assumed = (
                'depth is not scaled to this camera: the model does not know the focal length of '
                'its training images; give camera.yaml when it is trained'
            )
        elif calibration.info is None:
            height, width = model.architecture.input_size
            assumed = (
                f'depth assumes the focal length of the training images, {model.focal_length:.0f} '
                f'pixels at {width}x{height}: {calibration.reason}'
            )
        self._engine.scale_depth(
            prediction, None if calibration.info is None else calibration.info.k[0])
        self._notices.state('depth scale', assumed)


def why_withheld(output: OutputSpec, calibration: CameraInfoMatch) -> str:
    """Return why an output cannot be published with a frame's calibration, or an empty text."""
    if output.message not in ('CameraInfo', 'PointCloud2'):
        return ''
    if calibration.info is None:
        return calibration.reason
    return find_lens_fault(calibration.info) if output.message == 'PointCloud2' else ''
