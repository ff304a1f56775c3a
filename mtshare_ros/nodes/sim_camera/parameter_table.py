"""The parameters of the simulated camera."""

from dataclasses import dataclass, fields
from typing import Any, Mapping

from mtshare_ros.nodes.parameters import ParameterSpec, ParameterTable

MOTIONS = (
    'static', 'pan', 'drive', 'handheld', 'static-textured', 'pan-2', 'pan-4', 'pan-8',
    'handheld-2', 'handheld-4', 'handheld-8', 'drive-0.5', 'drive-1')
QUALITIES = ('live', 'full')

SIM_CAMERA_PARAMETERS = ParameterTable((
    ParameterSpec(
        'width', 'integer', 320, 'Width of the images.', 'pixels', (16, 4096), read_only=True,
    ),
    ParameterSpec(
        'height', 'integer', 240, 'Height of the images.', 'pixels', (16, 4096), read_only=True,
    ),
    ParameterSpec(
        'rate', 'double', 30.0, 'Images published in a second.', 'Hz', (0.1, 240.0),
        read_only=True,
    ),
    ParameterSpec(
        'motion', 'string', 'handheld', 'How the camera moves; a number is its speed past fine '
        'texture: pixels per frame at 320 pixels and 30 Hz, of a drive metres per second.',
        choices=MOTIONS, read_only=True,
    ),
    ParameterSpec(
        'seed', 'integer', 1_100_003, 'Which room, camera path and moving objects; no '
        'shipped model was trained on 1100000 to 1199999.',
        limits=(0, 2**31 - 1), read_only=True,
    ),
    ParameterSpec(
        'noise', 'double', 1.0, 'Factor on the sensor noise; 0.0 is a noise-free sensor.',
        limits=(0.0, 10.0), read_only=True,
    ),
    ParameterSpec(
        'quality', 'string', 'live', 'How accurately light is computed.', choices=QUALITIES,
        read_only=True,
    ),
    ParameterSpec(
        'ground_truth', 'bool', False, 'Publish the true maps as ground_truth/*.', read_only=True,
    ),
    ParameterSpec(
        'frame_id', 'string', 'camera_optical_frame', 'Frame of every header.', read_only=True,
    ),
    ParameterSpec(
        'clip', 'string', '', 'Path of a pre-rendered clip, replayed instead of rendering; its '
        'size replaces width and height. Empty renders.', read_only=True,
    ),
))
"""Every parameter of the simulated camera; all are read when it starts."""


@dataclass(frozen=True)
class SimCameraSettings:
    """The parameters of the simulated camera, checked."""

    width: int
    height: int
    rate: float
    motion: str
    seed: int
    noise: float
    quality: str
    ground_truth: bool
    frame_id: str
    clip: str


def sim_camera_settings(values: Mapping[str, Any]) -> SimCameraSettings:
    """Return the settings from checked parameter values."""
    return SimCameraSettings(**{field.name: values[field.name] for field in
                                fields(SimCameraSettings)})
