"""The calibration of a camera that has none of its own: from a file, or from its field of view."""

import math
from pathlib import Path
from typing import Any

import numpy as np
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header
import yaml

from mtshare_ros.errors import ConfigError
from mtshare_ros.nodes.camera_info import pinhole_camera_info

_FILE = 'file://'
_MATRICES = {'camera_matrix': 9, 'rectification_matrix': 9, 'projection_matrix': 12}
"""What the file has to hold, and how many numbers that is."""


def read_calibration(url: str) -> CameraInfo:
    """
    Return the calibration of a YAML file as camera_calibration and camera_info_manager write it.

    ``url`` is a path or file:///path. Raises ConfigError, which says what is wrong with the file.
    """
    if '://' in url and not url.startswith(_FILE):
        raise ConfigError(f'camera_info_url is {url!r}; allowed is the path of a file, or one '
                          f'after {_FILE}')
    path = Path(url.removeprefix(_FILE)).expanduser()
    try:
        values = yaml.safe_load(path.read_text())
        return _calibration(values)
    except OSError as error:
        raise ConfigError(f'camera_info_url: {path} cannot be read: {error.strerror}') from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f'camera_info_url: {path} is no YAML file: {error}') from error
    except ConfigError as error:
        raise ConfigError(f'camera_info_url: {path}: {error}; camera_calibration writes such '
                          f'files') from error


def calibration_of_view(degrees: float, size: tuple[int, int]) -> CameraInfo:
    """Return that of a (height, width) image without distortion, of a horizontal angle."""
    height, width = size
    focal = width / 2 / math.tan(math.radians(degrees) / 2)
    matrix = np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1]])
    return pinhole_camera_info(matrix, size, Header())


def _calibration(values: Any) -> CameraInfo:
    if not isinstance(values, dict):
        raise ConfigError('holds no names with values')
    camera, rectification, projection = (
        _numbers(values, name, count) for name, count in _MATRICES.items())
    if min(camera[0], camera[4]) <= 0:
        raise ConfigError(f'camera_matrix has the focal lengths {camera[0]:g} and {camera[4]:g}, '
                          f'which have to be above 0')
    return CameraInfo(
        width=_side(values, 'image_width'), height=_side(values, 'image_height'),
        distortion_model=str(values.get('distortion_model', 'plumb_bob')),
        d=_numbers(values, 'distortion_coefficients'), k=camera, r=rectification, p=projection)


def _side(values: dict[str, Any], name: str) -> int:
    found = values.get(name)
    if type(found) is not int or not 0 < found < 2 ** 31:
        raise ConfigError(f'{name} is {found!r}; it has to be a number of pixels')
    return found


def _numbers(values: dict[str, Any], name: str, count: int | None = None) -> list[float]:
    entry = values.get(name)
    found = entry.get('data') if isinstance(entry, dict) else None
    if not isinstance(found, list) or count not in (None, len(found)) or not all(
            map(_is_number, found)):
        wanted = 'numbers' if count is None else f'{count} numbers'
        raise ConfigError(f'{name} has no data of {wanted}')
    return [float(number) for number in found]


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)
