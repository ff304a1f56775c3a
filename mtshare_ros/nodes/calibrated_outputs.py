"""What rests on the camera's calibration: metres, the calibration of the maps, and points."""

from sensor_msgs.msg import CameraInfo

from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.prediction import Prediction
from mtshare_ros.messages.camera_image import CameraImage
from mtshare_ros.messages.camera_info import (
    CameraInfoBuffer,
    CameraInfoMatch,
    find_lens_doubt,
    find_lens_fault,
    pinhole_of,
    scale_camera_info,
)
from mtshare_ros.nodes.notices import Notices
from mtshare_ros.nodes.outputs import OutputSpec
from mtshare_ros.nodes.publishing import OutputPublishers


class CalibratedOutputs:
    """Finds the calibration of each frame's maps and publishes what needs it, or says why not."""

    def __init__(
        self, *, engine: Engine, calibrations: CameraInfoBuffer, publishers: OutputPublishers,
        notices: Notices,
    ) -> None:
        self._engine = engine
        self._calibrations = calibrations
        self._publishers = publishers
        self._notices = notices

    def calibrate(self, prediction: Prediction, image: CameraImage) -> CameraInfoMatch:
        """Return the calibration of a frame's maps, and bring its depth to that camera's scale."""
        match = self._calibrations.match(image.header, (image.height, image.width))
        if match.info is not None:
            match = CameraInfoMatch(
                scale_camera_info(match.info, prediction.framing, image.header))
        if prediction.depth is not None:
            self._scale_depth(prediction, match)
        return match

    def publish(
        self, output: OutputSpec, prediction: Prediction, calibration: CameraInfoMatch
    ) -> None:
        """Publish the calibration of the maps or their points."""
        if output.message == 'CameraInfo':
            self._tell_withheld(output, calibration.reason)
            if calibration.info is not None:
                self._publishers.publish_calibration(output, calibration.info)
        elif calibration.info is None:
            self._tell_withheld(output, calibration.reason)
        else:
            self._publish_points(output, prediction, calibration.info)

    def _publish_points(
        self, output: OutputSpec, prediction: Prediction, info: CameraInfo
    ) -> None:
        fault = find_lens_fault(info)
        self._tell_withheld(output, fault)
        if fault or prediction.depth is None or prediction.image is None:
            return
        self._notices.state('lens', find_lens_doubt(info))
        self._publishers.publish_points(
            output, prediction.depth, prediction.image, pinhole_of(info), info.header)

    def _scale_depth(self, prediction: Prediction, calibration: CameraInfoMatch) -> None:
        """Scale depth in place, or say what it rests on without a calibration."""
        assumed = ''
        model = self._engine.description
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
        else:
            self._engine.scale_depth(prediction, calibration.info.k[0])
        self._notices.state('depth scale', assumed)

    def _tell_withheld(self, output: OutputSpec, reason: str) -> None:
        name = self._publishers.topic_names([output])[0]
        self._notices.state(output.topic, f'{name} is withheld: {reason}' if reason else '')
