"""The parameters of the video camera."""

from dataclasses import dataclass, fields
from typing import Any, Mapping

from mtshare_ros.nodes.parameters import ParameterRule, ParameterSpec, ParameterTable


def _check_one_calibration(values: Mapping[str, Any]) -> str:
    if not (values['camera_info_url'] and values['field_of_view']):
        return ''
    return (f'parameters camera_info_url ({values["camera_info_url"]!r}) and field_of_view '
            f'({values["field_of_view"]}) are both set, and each of them sets a calibration: '
            f'leave one of them out')


VIDEO_CAMERA_PARAMETERS = ParameterTable((
    ParameterSpec(
        'video', 'string', '', 'What is published: a video file, a folder of images, the number '
        'of a camera or its /dev/video<number>, or the address of a stream (rtsp://...).',
        read_only=True,
    ),
    ParameterSpec(
        'rate', 'double', 0.0, 'Images published in a second. 0.0 is the rate of the video or '
        'camera, and 2 for a folder of images; of a camera at most its own comes.', 'Hz',
        (0.0, 240.0), read_only=True,
    ),
    ParameterSpec(
        'loop', 'bool', True, 'Start a file or a folder again at its end; false ends the node '
        'there.', read_only=True,
    ),
    ParameterSpec(
        'retry_period', 'double', 2.0, 'Time after which a camera that cannot be opened, or '
        'stopped, is tried again; 0.0 ends the node instead.', 's', (0.0, 60.0), read_only=True,
    ),
    ParameterSpec(
        'frame_id', 'string', 'camera_optical_frame', 'Frame of every header.', read_only=True,
    ),
    ParameterSpec(
        'camera_info_url', 'string', '', 'Calibration file as camera_calibration writes it: a '
        'path or file:///... Without it, and without field_of_view, no camera_info is '
        'published.', read_only=True,
    ),
    ParameterSpec(
        'field_of_view', 'double', 0.0, 'Horizontal angle that the images show, for a '
        'camera_info without distortion; 0.0 is unknown.', 'degrees', (0.0, 179.0),
        read_only=True,
    ),
), (ParameterRule(('camera_info_url', 'field_of_view'), _check_one_calibration),))
"""Every parameter of the video camera; all are read when it starts."""


@dataclass(frozen=True)
class VideoCameraSettings:
    """The parameters of the video camera, checked."""

    video: str
    rate: float
    loop: bool
    retry_period: float
    frame_id: str
    camera_info_url: str
    field_of_view: float


def video_camera_settings(values: Mapping[str, Any]) -> VideoCameraSettings:
    """Return the settings from checked parameter values."""
    return VideoCameraSettings(**{field.name: values[field.name] for field in
                                  fields(VideoCameraSettings)})
