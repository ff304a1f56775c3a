"""A log for the Rerun viewer: camera, maps, the scene in 3-D, and what each frame took."""

from pathlib import Path
from typing import Any

import numpy as np

from mtshare_ros.errors import ConfigError
from mtshare_ros.inference.colorize import color_normals
from mtshare_ros.inference.prediction import Prediction
from mtshare_ros.recording.extras import require
from mtshare_ros.recording.perceiving import RecordedFrame
from mtshare_ros.tasks import LabelSet

_CAMERA = 'world/camera'
_PURPOSE, _EXTRA = 'writing a Rerun log', 'rerun'


class RerunLog:
    """
    Writes an .rrd file; Rerun shows the depth image as a cloud, by the pinhole above it.

    Without a calibration the focal length is the one that the model was trained with, in pixels
    of the maps; where nobody knows that either, there is no pinhole and no cloud.
    """

    def __init__(self, path: Path, labels: LabelSet, focal_length: float | None) -> None:
        self._rerun = require('rerun', _PURPOSE, _EXTRA)
        self._focal_length = focal_length
        self._log = self._rerun.RecordingStream('mtshare_ros')
        self._log.save(path)
        colors = [(number, name, color) for number, (name, color) in
                  enumerate(zip(labels.names, labels.colors))]
        self._log.log('/', self._rerun.AnnotationContext(colors), static=True)
        self._log.log('world', self._rerun.ViewCoordinates.RDF, static=True)
        self._log.send_blueprint(_layout(require('rerun.blueprint', _PURPOSE, _EXTRA)))

    def see(self, frame: RecordedFrame, prediction: Prediction) -> None:
        """Append one frame."""
        if prediction.image is None:
            return
        self._log.set_time('recorded', timestamp=frame.time_ns / 1e9)
        self._show_maps(frame, prediction, prediction.image)
        stats, scalars = prediction.stats, self._rerun.Scalars
        self._log.log('figures/inference_ms', scalars(stats.total_ms))
        self._log.log('figures/active_fraction', scalars(stats.active_fraction))

    def close(self) -> None:
        """Write what is left."""
        self._log.flush()
        self._log.disconnect()

    def _show_maps(
        self, frame: RecordedFrame, prediction: Prediction, image: np.ndarray
    ) -> None:
        rerun, log = self._rerun, self._log.log
        height, width = image.shape[:2]
        matrix = self._matrix(frame.calibration, height, width)
        if matrix is not None:
            log(_CAMERA, rerun.Pinhole(image_from_camera=matrix, width=width, height=height))
        log(f'{_CAMERA}/image', rerun.Image(image))
        if prediction.mask is not None:
            log(f'{_CAMERA}/semantic', rerun.SegmentationImage(prediction.mask))
        if prediction.depth is not None:
            # Rerun takes 0 for no depth
            log(f'{_CAMERA}/depth', rerun.DepthImage(np.nan_to_num(prediction.depth), meter=1.0))
        if prediction.normals is not None:
            log('normals', rerun.Image(color_normals(prediction.normals)))
        if prediction.edges is not None:
            log('edges', rerun.Image(prediction.edges, color_model='L'))

    def _matrix(self, calibration: Any, height: int, width: int) -> np.ndarray | None:
        """Return the (3, 3) camera matrix of the maps, None where nobody knows it."""
        if calibration is not None:
            return np.reshape(calibration.k, (3, 3))
        if self._focal_length is None:
            return None
        return np.array([[self._focal_length, 0, (width - 1) / 2],
                         [0, self._focal_length, (height - 1) / 2], [0, 0, 1]])


def _layout(views: Any) -> Any:
    """Return what the viewer shows at first; left alone it would lay all maps over each other."""

    def flat(name: str, *entities: str) -> Any:
        return views.Spatial2DView(name=name, origin=entities[0], contents=list(entities))

    return views.Blueprint(views.Horizontal(
        views.Vertical(
            views.Spatial3DView(name='cloud', origin='world'),
            views.TimeSeriesView(name='inference, ms', origin='figures/inference_ms'),
            views.TimeSeriesView(name='active fraction', origin='figures/active_fraction'),
            row_shares=[3, 1, 1]),
        views.Grid(
            flat('semantic', f'{_CAMERA}/image', f'{_CAMERA}/semantic'),
            flat('depth', f'{_CAMERA}/depth'), flat('normals', 'normals'), flat('edges', 'edges')),
    ))


def check_rerun_path(path: Path | None) -> None:
    """Refuse what could not be written before the work begins; None is fine."""
    if path is None:
        return
    if path.suffix != '.rrd':
        raise ConfigError(f'--rerun is {str(path)!r}; allowed is a file name that ends with .rrd')
    require('rerun', _PURPOSE, _EXTRA)
