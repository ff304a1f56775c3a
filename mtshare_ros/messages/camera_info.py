"""The calibration of a camera, matched to its images and scaled to the maps."""

from collections import deque
import copy
from dataclasses import dataclass
from typing import Any

import numpy as np

from mtshare_ros.errors import quote
from mtshare_ros.image_frame import Framing, Pinhole

CAMERA_MATRICES = ('auto', 'K', 'P')
"""Which matrix of a CameraInfo is the image's: K where it is raw, P where it is rectified."""

PINHOLE_MODELS = ('', 'none', 'pinhole', 'plumb_bob', 'rational_polynomial')
"""Distortion models of lenses that map straight lines to nearly straight ones."""


CALIBRATIONS_KEPT = 8
"""How many calibrations are kept for images that come after theirs."""


@dataclass(frozen=True)
class CameraInfoMatch:
    """The calibration that belongs to a frame, or the reason why there is none."""

    info: Any
    reason: str = ''


class CameraInfoBuffer:
    """
    The last few calibrations received; no image waits for one.

    ``rectified`` tells that the images are rectified, so that P is their camera matrix. ``topic``
    is named in the reason where no calibration came.
    """

    def __init__(
        self, size: int = CALIBRATIONS_KEPT, *, rectified: bool = False, topic: str = ''
    ) -> None:
        self._infos: deque[Any] = deque(maxlen=size)
        self._source = f' on {topic}' if topic else ''
        self._rectified = rectified

    def add(self, info: Any) -> None:
        """Keep one message, forgetting the oldest."""
        self._infos.append(info)

    def clear(self) -> None:
        """Forget all messages."""
        self._infos.clear()

    def match(self, header: Any, size: tuple[int, int]) -> CameraInfoMatch:
        """
        Return the calibration with the frame's stamp, otherwise the newest one.

        size is the image's (height, width). A calibration of another size is scaled to it. The
        result holds a reason instead where that is impossible or the focal length is missing.
        """
        # A copy, because another thread may add to the deque meanwhile.
        infos = list(self._infos)
        if not infos:
            return CameraInfoMatch(None, f'no camera_info was received{self._source}')
        info = next((info for info in infos if info.header.stamp == header.stamp), infos[-1])
        return fit_camera_info(take_projection(info) if self._rectified else info, size)


def shows_rectified(topic: str, matrix: str = 'auto') -> bool:
    """
    Tell whether the images of a topic are rectified.

    ``matrix`` is one of CAMERA_MATRICES; auto decides by the names that image_proc and drivers
    use: image_rect, image_rect_color, rect/image.
    """
    if matrix != 'auto':
        return matrix == 'P'
    for segment in reversed(topic.removesuffix('/compressed').split('/')[-2:]):
        words = set(segment.lower().split('_'))
        if words & {'rect', 'rectified', 'raw'}:
            return bool(words & {'rect', 'rectified'})
    return False


def take_projection(info: Any) -> Any:
    """
    Return the calibration of the rectified image: K is the left part of P, without distortion.

    image_proc publishes rectified images with the CameraInfo of the raw ones. Without a P the
    calibration is returned unchanged.
    """
    projection = np.reshape(info.p, (3, 4))
    if not (np.isfinite(projection).all() and projection[0, 0] > 0 and projection[1, 1] > 0):
        return info
    rectified = copy.copy(info)
    rectified.k, rectified.r = projection[:, :3].ravel(), np.eye(3).ravel()
    rectified.distortion_model = 'plumb_bob'
    # ROS 2 Humble does not accept an ndarray for a sequence; rosbags accepts nothing else.
    rectified.d = np.zeros(5) if isinstance(info.d, np.ndarray) else [0.0] * 5
    return rectified


def fit_camera_info(info: Any, size: tuple[int, int]) -> CameraInfoMatch:
    """
    Return a calibration for an image of (height, width), or the reason why it has none.

    The image may be smaller or larger than the calibrated one, and show only its region of
    interest, binned or not, as long as the aspect ratio is the same.
    """
    if not (np.isfinite(info.k).all() and info.k[0] > 0 and info.k[4] > 0):
        return CameraInfoMatch(None, (
            f'camera_info holds no focal length (fx is {info.k[0]:g}, fy is {info.k[4]:g}): the '
            f'camera is not calibrated'
        ))
    if 0 in (info.height, info.width):
        return _fit_without_size(info, size)
    whole = (info.height, info.width)
    if whole == size:
        return CameraInfoMatch(info)
    offset, region = _region_of(info)
    # A binning of 0 means the same as 1.
    sent = (region[0] // max(info.binning_y, 1), region[1] // max(info.binning_x, 1))
    inside = all(start + side <= limit for start, side, limit in zip(offset, region, whole))
    if not inside or not _same_shape(sent, size):
        return CameraInfoMatch(None, (
            f'camera_info is for {_describe_size(info)}, the image has {size[0]}x{size[1]} '
            f'(height x width); they must have the same aspect ratio'
        ))
    cropped = scale_camera_info(info, Framing(whole, whole, offset, region), info.header)
    return CameraInfoMatch(
        scale_camera_info(cropped, Framing(region, size, (0, 0), size), info.header))


def find_lens_fault(info: Any) -> str:
    """Return why no points can be computed with a calibration, or an empty text."""
    if info.distortion_model in PINHOLE_MODELS:
        return ''
    known = ', '.join(model for model in PINHOLE_MODELS if model)
    return (
        f'the distortion model is {quote(info.distortion_model)}, which is not a pinhole camera '
        f'({known}); use the rectified image (image_proc, image_rect), whose camera matrix is P'
    )


def find_lens_doubt(info: Any) -> str:
    """Return what makes points inexact towards the edges of the image, or an empty text."""
    if not any(info.d):
        return ''
    return (
        'camera_info has distortion coefficients, which are not undone; for exact points use the '
        'rectified image (image_proc, image_rect), whose camera matrix is P'
    )


def pinhole_of(info: Any) -> Pinhole:
    """Return the camera of a calibration without its distortion."""
    return Pinhole(fx=info.k[0], fy=info.k[4], cx=info.k[2], cy=info.k[5])


def scale_camera_info(info: Any, framing: Framing, header: Any) -> Any:
    """
    Return the calibration of the maps of one frame.

    K and P follow the scaling and cropping of ``framing``; distortion coefficients act on
    normalised coordinates and stay as they are.
    """
    height, width = framing.input_size
    intrinsics = framing.scale_intrinsics(np.reshape(info.k, (3, 3)))
    projection = np.reshape(info.p, (3, 4))
    if projection[0, 0] > 0:
        projection = framing.scale_intrinsics(projection)
    # Shallow copies are enough: fields are replaced, and the arrays of ``info`` stay unchanged.
    scaled, roi = copy.copy(info), copy.copy(info.roi)
    roi.x_offset = roi.y_offset = roi.height = roi.width = 0
    roi.do_rectify = False
    scaled.header, scaled.height, scaled.width = header, height, width
    scaled.k, scaled.p = intrinsics.ravel(), projection.ravel()
    scaled.roi, scaled.binning_x, scaled.binning_y = roi, 0, 0
    return scaled


def _fit_without_size(info: Any, size: tuple[int, int]) -> CameraInfoMatch:
    """Take a calibration without a size for that of the image, if its centre allows that."""
    center = (info.k[5], info.k[2])
    if not all(side / 4 < middle < side * 3 / 4 for middle, side in zip(center, size)):
        return CameraInfoMatch(None, (
            f'camera_info has no size (its height is {info.height}, its width {info.width}), and '
            f'its centre (x {center[1]:g}, y {center[0]:g}) is not that of the image with '
            f'{size[0]}x{size[1]} pixels (height x width): set its width and height'
        ))
    sized = copy.copy(info)
    sized.height, sized.width = size
    return CameraInfoMatch(sized)


def _region_of(info: Any) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return (top, left) and (height, width) of what the camera sends of the calibrated image."""
    roi = info.roi
    if roi.height > 0 and roi.width > 0:
        return (roi.y_offset, roi.x_offset), (roi.height, roi.width)
    return (0, 0), (info.height, info.width)


def _same_shape(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Tell whether two (height, width) have the same aspect ratio, within a pixel."""
    small, large = sorted((one, other))
    return min(*small, *large) > 0 and abs(large[0] * small[1] / large[1] - small[0]) < 1


def _describe_size(info: Any) -> str:
    text = f'{info.height}x{info.width} pixels'
    roi, binning = info.roi, (info.binning_y, info.binning_x)
    if roi.height > 0 and roi.width > 0:
        text += f' (region {roi.height}x{roi.width} at row {roi.y_offset}, column {roi.x_offset})'
    return f'{text} binned {binning[0]}x{binning[1]}' if max(binning) > 1 else text
