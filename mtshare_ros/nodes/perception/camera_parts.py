"""What the threads that serve one camera share."""

from dataclasses import dataclass
from typing import Any

from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.map_outputs import Look
from mtshare_ros.messages.camera_image import CameraImage
from mtshare_ros.nodes.perception.calibrator import Calibrator
from mtshare_ros.nodes.perception.frame_reports import FrameReports
from mtshare_ros.nodes.perception.image_input import ImageTransport
from mtshare_ros.nodes.perception.outlet import Outlet
from mtshare_ros.nodes.perception.parameter_table import RuntimeSettings


@dataclass(frozen=True)
class CameraParts:
    """
    The network, and how images of one camera come in and their outputs go out.

    ``transport`` says how images come, ``max_pixels`` how large they may be.
    """

    engine: Engine
    transport: ImageTransport
    max_pixels: int
    calibrator: Calibrator
    outlet: Outlet
    reports: FrameReports

    def read(self, message: Any) -> CameraImage:
        """Return the image of a message; raise FrameError for one that cannot be read."""
        return self.transport.read(message, self.engine.input_size, self.max_pixels)

    def look(self, settings: RuntimeSettings) -> Look:
        """Return how maps are coloured."""
        return Look(self.engine.labels.palette(), settings.semantic_color_alpha,
                    settings.depth_color_range)
