"""A video of frames and their maps, by way of PyAV."""

from fractions import Fraction
from pathlib import Path
from typing import Any

from mtshare_ros.errors import ConfigError, RecordingError
from mtshare_ros.inference.map_outputs import Look
from mtshare_ros.inference.prediction import Prediction
from mtshare_ros.recording.extras import require
from mtshare_ros.recording.mosaic import draw_mosaic
from mtshare_ros.recording.perceiving import RecordedFrame

_CODECS = ('libx264', 'mpeg4')  # the second where FFmpeg was built without the first
_TICKS_PER_S = 1000
_LONGEST_STEP_S = 1.0
_USUAL_STEP_S = 1 / 30


class VideoWriter:
    """
    Writes an MP4 file that plays as fast as the frames were taken.

    Gaps are shortened to a second; where stamps go back, time goes on. An existing file is
    replaced. Raises RecordingError where it cannot be written.
    """

    def __init__(self, path: Path, look: Look) -> None:
        self._av = require('av', 'writing a video', 'video')
        self._path = path
        self._look = look
        self._stream: Any = None
        self._last_ns: int | None = None
        self._tick = 0
        try:
            # with the protocol named, FFmpeg takes no part of the path for one
            self._file = self._av.open(f'file:{path}', 'w', format='mp4')
        except (OSError, self._av.error.FFmpegError) as error:
            raise self._failure(error) from error

    def see(self, frame: RecordedFrame, prediction: Prediction) -> None:
        """Append one frame."""
        picture = self._av.VideoFrame.from_ndarray(
            draw_mosaic(prediction, self._look), format='rgb24')
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
        stream = self._file.add_stream(codec, rate=30)
        stream.width, stream.height, stream.pix_fmt = width, height, 'yuv420p'
        stream.time_base = stream.codec_context.time_base = Fraction(1, _TICKS_PER_S)
        return stream

    def _advance(self, time_ns: int) -> None:
        """Move on to the tick of a frame; every frame has its own."""
        last_ns, self._last_ns = self._last_ns, time_ns
        if last_ns is None:
            return
        step_s = (time_ns - last_ns) / 1e9
        step_s = min(step_s, _LONGEST_STEP_S) if step_s > 0 else _USUAL_STEP_S
        self._tick += max(round(step_s * _TICKS_PER_S), 1)


def check_video_path(path: Path | None) -> None:
    """Refuse what could not be written before the work begins; None is fine."""
    if path is None:
        return
    require('av', 'writing a video', 'video')
    if path.suffix.lower() != '.mp4':
        raise ConfigError(f'--video is {str(path)!r}; allowed is a file name that ends with .mp4')
