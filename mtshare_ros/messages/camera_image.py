"""A camera image, whatever message it came in, and whether it continues the image before."""

from collections import deque
from dataclasses import dataclass
from statistics import median
import threading
from typing import Any

import numpy as np

from mtshare_ros.errors import quote
from mtshare_ros.image_frame import Picture, size_of
from mtshare_ros.stamps import nanoseconds_of


@dataclass(frozen=True)
class CameraImage:
    """
    The image of a message: the message's header, the pixels, and how they were encoded.

    ``picture`` is (H, W, 3) uint8 RGB, or a Picture that decodes it when it is needed.
    """

    header: Any
    picture: np.ndarray | Picture
    encoding: str

    @property
    def rgb(self) -> np.ndarray:
        """The whole image, (H, W, 3) uint8 RGB."""
        return self.picture if isinstance(self.picture, np.ndarray) else self.picture.rgb()

    @property
    def height(self) -> int:
        """Rows of the image."""
        return size_of(self.picture)[0]

    @property
    def width(self) -> int:
        """Columns of the image."""
        return size_of(self.picture)[1]


LONGEST_GAP_S = 1.0
LONGEST_GAP_PERIODS = 10
_PERIODS_KEPT = 9


class Continuity:
    """
    Compares each processed image with the one before, by its header, size and encoding.

    Two stamps have a gap between them where they are more than LONGEST_GAP_S apart and also more
    than LONGEST_GAP_PERIODS usual periods, so that a slow camera is not taken for a broken one.
    The usual period is the median of the last few, which follows a changed rate.
    """

    def __init__(self, reason: str) -> None:
        self._lock = threading.Lock()
        self._interruption = reason
        self._source = {'image size': '', 'image encoding': '', 'frame_id': ''}
        self._stamp_s: float | None = None
        self._periods_s: deque[float] = deque(maxlen=_PERIODS_KEPT)

    def interrupt(self, reason: str) -> None:
        """Have the next ``check`` return this reason; may be called from any thread."""
        with self._lock:
            self._interruption = reason

    def check(self, image: Any) -> str:
        """Return why an image does not continue the one before, or an empty text."""
        with self._lock:
            interruption, self._interruption = self._interruption, ''
        # Both, whatever the first one finds: each also keeps its part of this image for the next.
        changed = self._compare_source(image)
        jumped = self._compare_stamp(nanoseconds_of(image.header.stamp) / 1e9)
        return interruption or changed or jumped

    def _compare_source(self, image: Any) -> str:
        before, self._source = self._source, {
            'image size': f'{image.height}x{image.width}',
            'image encoding': image.encoding,
            'frame_id': image.header.frame_id,
        }
        changes = (
            f'{what} changed from {quote(before[what])} to {quote(value)}'
            for what, value in self._source.items() if value != before[what]
        )
        return next(changes, '')

    def _compare_stamp(self, stamp_s: float) -> str:
        before, self._stamp_s = self._stamp_s, stamp_s
        if before is None:
            return ''
        step_s = stamp_s - before
        if step_s < 0:
            return f'stamps went back by {-step_s:.3f} s'
        usual_s = median(self._periods_s) if self._periods_s else 0.0
        self._periods_s.append(step_s)
        if step_s > max(LONGEST_GAP_S, LONGEST_GAP_PERIODS * usual_s):
            return f'stamps left a gap of {step_s:.3f} s'
        return ''
