"""What depends on the camera's calibration: the calibration of the maps, and depth in metres."""

from mtshare_ros.image_frame import frame_to_cover
from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.map_camera import say_assumed_camera
from mtshare_ros.inference.prediction import Prediction
from mtshare_ros.messages.camera_image import CameraImage
from mtshare_ros.messages.camera_info import (
    CameraInfoBuffer,
    CameraInfoMatch,
    scale_camera_info,
)
from mtshare_ros.nodes.notices import Notices


class Calibrator:
    """
    Applies the calibrations of one camera to its frames, in the thread that computes them.

    The executor's thread adds the messages that come to ``infos``.
    """

    def __init__(self, engine: Engine, infos: CameraInfoBuffer, notices: Notices) -> None:
        self._engine = engine
        self._infos = infos
        self._notices = notices

    def calibrate(self, image: CameraImage) -> CameraInfoMatch:
        """Return the calibration of an image's maps."""
        size = image.height, image.width
        match = self._infos.match(image.header, size)
        if match.info is None:
            return match
        framing = frame_to_cover(size, self._engine.input_size)
        return CameraInfoMatch(scale_camera_info(match.info, framing, image.header))

    def bring_to_scale(self, prediction: Prediction, calibration: CameraInfoMatch) -> None:
        """Scale depth to the camera in place; log once what is assumed without a calibration."""
        if prediction.depth is not None:
            focal_length = None if calibration.info is None else calibration.info.k[0]
            self._engine.scale_depth(prediction, focal_length)
            self._notices.state('depth scale', self._assumed_of_depth(calibration))
        self._notices.state('normals camera', self._assumed_of_normals(prediction, calibration))

    def _assumed_of_depth(self, calibration: CameraInfoMatch) -> str:
        """Return what depth assumes of the camera, an empty text where it is calibrated."""
        model = self._engine.description
        if model.focal_length is None:
            return (
                'depth is not scaled to this camera: the model does not know the focal length of '
                'its training images; give camera.yaml when it is trained'
            )
        if calibration.info is not None:
            return ''
        height, width = model.architecture.input_size
        return (
            f'depth assumes the focal length of the training images, {model.focal_length:.0f} '
            f'pixels at {height}x{width} (height x width): {calibration.reason}'
        )

    def _assumed_of_normals(
        self, prediction: Prediction, calibration: CameraInfoMatch
    ) -> str:
        """Return what normals that are computed from depth assume of the camera."""
        derived = 'normals' not in self._engine.network_tasks
        if prediction.normals is None or not derived or calibration.info is not None:
            return ''
        assumed = say_assumed_camera(self._engine.assumed_focal_length)
        return f'normals are computed from depth, for {assumed}: {calibration.reason}'
