"""The way from a frame to its maps, of which there are several."""

from typing import Protocol

from mtshare_ros.inference.clock import StageClock
from mtshare_ros.inference.frame_request import FrameOutcome, FrameRequest
from mtshare_ros.inference.session import Session


class FramePath(Protocol):
    """A way of computing the frames of a camera, whose memory is passed in."""

    def run(self, memory: Session, request: FrameRequest, clock: StageClock) -> FrameOutcome:
        """Compute a frame on what is known of the camera."""
