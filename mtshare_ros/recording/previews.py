"""Files for people beside the results: a contact sheet, a video, a log for the Rerun viewer."""

from fractions import Fraction
from pathlib import Path
from typing import Any, Callable, Sequence

import numpy as np

from mtshare_ros.errors import ConfigError, import_extra, RecordingError
from mtshare_ros.inference.colorize import color_normals
from mtshare_ros.inference.contact_sheet import draw_contact_sheet, SheetMaps, SheetRow
from mtshare_ros.inference.map_outputs import MapColors, MAPS
from mtshare_ros.inference.prediction import Prediction
from mtshare_ros.recording.frames import RecordedFrame
from mtshare_ros.tasks import LabelSet

_COLUMNS = 3
_PICTURES = ('semantic/color', 'depth/color', 'normals/color', 'edges/image', 'sharing/activity')


def draw_mosaic(prediction: Prediction, colors: MapColors) -> np.ndarray:
    """
    Return the image and pictures of its maps, in rows of three, as (H, W, 3) uint8 RGB.

    The image is the input of the network, the part of the camera's image that the maps cover. The
    last picture shows what was recomputed, where the prediction has that.
    """
    if prediction.image is None:
        raise ValueError('a prediction without its image cannot be drawn')
    pictures = [prediction.image]
    for row in MAPS:
        known = prediction.map_of(row.task) is not None if row.task else prediction.stats.activity
        if row.topic in _PICTURES and known:
            picture = row.draw(prediction, colors)
            rgb = picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=-1)
            pictures.append(rgb)
    return _arrange(pictures)


def _arrange(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Arrange pictures of one size in rows of three; the places left over are black."""
    height, width = pictures[0].shape[:2]
    columns = min(len(pictures), _COLUMNS)
    lines = -(-len(pictures) // columns)
    canvas = np.zeros((lines * height, columns * width, 3), np.uint8)
    for number, picture in enumerate(pictures):
        line, column = divmod(number, columns)
        canvas[line * height:(line + 1) * height, column * width:(column + 1) * width] = picture
    return canvas


SHEET_ROWS = 8
"""Frames of a sheet."""


class SheetWriter:
    """
    Writes a contact sheet of SHEET_ROWS frames, evenly spread over all that it is given.

    As their number is not known before the end, it keeps every n-th frame and doubles n whenever
    it has too many. ``save`` writes the picture, (H, W, 3) uint8 RGB, to the path.
    """

    def __init__(
        self, path: Path, labels: LabelSet, save: Callable[[Path, np.ndarray], None]
    ) -> None:
        self._path = path
        self._labels = labels
        self._save = save
        self._rows: list[SheetRow] = []
        self._stride = 1
        self._passed = 0

    def see(self, frame: RecordedFrame, prediction: Prediction) -> None:
        """Take one frame."""
        if self._passed % self._stride == 0 and prediction.image is not None:
            maps = SheetMaps(prediction.mask, prediction.depth, prediction.normals,
                             prediction.edges, prediction.disparity)
            self._rows.append(SheetRow(prediction.image.copy(), SheetMaps(), maps))
        self._passed += 1
        if len(self._rows) > 2 * SHEET_ROWS:
            del self._rows[1::2]
            self._stride *= 2

    def close(self) -> None:
        """Write the sheet; without frames there is none."""
        if self._rows:
            self._save(self._path, draw_contact_sheet(self.chosen(), self._labels))

    def chosen(self) -> list[SheetRow]:
        """Return the rows of the sheet."""
        count = min(len(self._rows), SHEET_ROWS)
        return [self._rows[number * len(self._rows) // count] for number in range(count)]


_CODECS = ('libx264', 'mpeg4')  # the second for an FFmpeg that was built without the first
_TICKS_PER_S = 1000
_LONGEST_STEP_S = 1.0
_USUAL_STEP_S = 1 / 30


class VideoWriter:
    """
    Writes an MP4 file that plays at the rate at which the frames were taken.

    Gaps are shortened to a second, and where stamps go back the next frame comes 1/30 s later. An
    existing file is replaced. Raises RecordingError where it cannot be written.
    """

    def __init__(self, path: Path, colors: MapColors) -> None:
        self._av = import_extra('av', 'writing a video', 'video')
        self._path = path
        self._colors = colors
        self._stream: Any = None
        self._last_ns: int | None = None
        self._tick = 0
        try:
            # without "file:", FFmpeg would take a path with a colon for another protocol
            self._file = self._av.open(f'file:{path}', 'w', format='mp4')
        except (OSError, self._av.error.FFmpegError) as error:
            raise self._failure(error) from error

    def see(self, frame: RecordedFrame, prediction: Prediction) -> None:
        """Append one frame."""
        picture = self._av.VideoFrame.from_ndarray(
            draw_mosaic(prediction, self._colors), format='rgb24')
        if self._stream is None:
            self._stream = self._open_stream(picture.width, picture.height)
        self._advance(frame.time_ns)
        picture.pts, picture.time_base = self._tick, Fraction(1, _TICKS_PER_S)
        self._write(picture)

    def close(self) -> None:
        """Write what is left."""
        if self._stream is not None:
            self._write(None)
        self._file.close()

    def _write(self, picture: Any) -> None:
        try:
            self._file.mux(self._stream.encode(picture))
        except (OSError, self._av.error.FFmpegError) as error:
            raise self._failure(error) from error

    def _failure(self, error: Any) -> RecordingError:
        return RecordingError(f'{self._path}: cannot be written: {error.strerror}')

    def _open_stream(self, width: int, height: int) -> Any:
        codec = next(name for name in _CODECS if name in self._av.codecs_available)
        # the rate is a hint for the encoder: each frame comes with its own time
        stream = self._file.add_stream(codec, rate=30)
        # many players show no other format than yuv420p
        stream.width, stream.height, stream.pix_fmt = width, height, 'yuv420p'
        stream.time_base = stream.codec_context.time_base = Fraction(1, _TICKS_PER_S)
        return stream

    def _advance(self, time_ns: int) -> None:
        """Move on to the tick of a frame; no two frames have the same."""
        last_ns, self._last_ns = self._last_ns, time_ns
        if last_ns is None:
            return
        step_s = (time_ns - last_ns) / 1e9
        step_s = min(step_s, _LONGEST_STEP_S) if step_s > 0 else _USUAL_STEP_S
        self._tick += max(round(step_s * _TICKS_PER_S), 1)


def check_video_path(path: Path | None) -> None:
    """Refuse a file that cannot be written, before the work begins; None is fine."""
    if path is None:
        return
    import_extra('av', 'writing a video', 'video')
    if path.suffix.lower() != '.mp4':
        raise ConfigError(f'--video is {str(path)!r}; allowed is a file name that ends with .mp4')


_CAMERA = 'world/camera'
_PURPOSE, _EXTRA = 'writing a Rerun log', 'rerun'


class RerunLog:
    """
    Writes an .rrd file; Rerun shows the depth image as a cloud, with the camera matrix it gets.

    Without a calibration the matrix has the focal length that the model was trained with, in
    pixels of the maps; without that, there is no matrix and no cloud.
    """

    def __init__(self, path: Path, labels: LabelSet, focal_length: float | None) -> None:
        self._rerun = import_extra('rerun', _PURPOSE, _EXTRA)
        self._focal_length = focal_length
        self._log = self._rerun.RecordingStream('mtshare_ros')
        self._log.save(path)
        colors = [(number, name, color) for number, (name, color) in
                  enumerate(zip(labels.names, labels.colors))]
        self._log.log('/', self._rerun.AnnotationContext(colors), static=True)
        self._log.log('world', self._rerun.ViewCoordinates.RDF, static=True)
        self._log.send_blueprint(_layout(import_extra('rerun.blueprint', _PURPOSE, _EXTRA)))

    def see(self, frame: RecordedFrame, prediction: Prediction) -> None:
        """Append one frame."""
        if prediction.image is None:
            return
        self._log.set_time('recorded', timestamp=frame.time_ns / 1e9)
        self._show_maps(frame, prediction, prediction.image)
        stats, scalars = prediction.stats, self._rerun.Scalars
        self._log.log('statistics/inference_ms', scalars(stats.total_ms))
        self._log.log('statistics/active_fraction', scalars(stats.active_fraction))

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
        """Return the (3, 3) camera matrix of the maps, None where it is unknown."""
        if calibration is not None:
            return np.reshape(calibration.k, (3, 3))
        if self._focal_length is None:
            return None
        return np.array([[self._focal_length, 0, (width - 1) / 2],
                         [0, self._focal_length, (height - 1) / 2], [0, 0, 1]])


def _layout(views: Any) -> Any:
    """Return the first layout of the viewer, whose own would draw all maps over each other."""

    def flat(name: str, *entities: str) -> Any:
        return views.Spatial2DView(name=name, origin=entities[0], contents=list(entities))

    return views.Blueprint(views.Horizontal(
        views.Vertical(
            views.Spatial3DView(name='cloud', origin='world'),
            views.TimeSeriesView(name='inference, ms', origin='statistics/inference_ms'),
            views.TimeSeriesView(name='active fraction', origin='statistics/active_fraction'),
            row_shares=[3, 1, 1]),
        views.Grid(
            flat('semantic', f'{_CAMERA}/image', f'{_CAMERA}/semantic'),
            flat('depth', f'{_CAMERA}/depth'), flat('normals', 'normals'), flat('edges', 'edges')),
    ))


def check_rerun_path(path: Path | None) -> None:
    """Refuse a file that cannot be written, before the work begins; None is fine."""
    if path is None:
        return
    if path.suffix != '.rrd':
        raise ConfigError(f'--rerun is {str(path)!r}; allowed is a file name that ends with .rrd')
    import_extra('rerun', _PURPOSE, _EXTRA)
