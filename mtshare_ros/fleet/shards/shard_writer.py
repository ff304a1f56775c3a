"""What writers of shards have in common: the values of a row, and a file that is whole or gone."""

from abc import ABC, abstractmethod
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Callable, Iterator, Mapping

from mtshare_ros import __version__
from mtshare_ros.errors import RecordingError
from mtshare_ros.fleet.shards.columns import columns_of
from mtshare_ros.inference.map_outputs import MapColors, present
from mtshare_ros.inference.prediction import Prediction
from mtshare_ros.messages.camera_info import pinhole_of
from mtshare_ros.recording.frames import RecordedFrame
from mtshare_ros.recording.map_encoding import MapEncoder
from mtshare_ros.recording.recorded_poses import Pose
from mtshare_ros.tasks import LabelSet


@dataclass(frozen=True)
class ShardContext:
    """
    What all rows of a shard have in common.

    ``name`` is that of the recording in the fleet, ``source`` where it is, ``segment`` the number
    of the segment. ``outputs`` are relative topics, ``model`` is the SHA-256 of the model's file,
    ``settings`` are those of the run, as JSON can hold them. ``poses`` returns where the camera
    of a frame was, None where that is not known.
    """

    name: str
    source: str
    segment: int
    labels: LabelSet
    outputs: tuple[str, ...]
    model: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    poses: Callable[[RecordedFrame], Pose | None] | None = None

    def about(self) -> dict[str, Any]:
        """Return what describes the shard: classes with colours, model, settings, version."""
        labels = [{'id': number, 'name': name, 'rgb': list(color)} for number, (name, color)
                  in enumerate(zip(self.labels.names, self.labels.colors))]
        return {'labels': labels, 'model': self.model, 'settings': dict(self.settings),
                'version': __version__}


class ShardWriter(ABC):
    """
    Writes the frames of one segment as the rows of one file, see ``columns``.

    The file is whole after ``close``; ``abandon`` removes it. ``count`` is the number of frames in
    it. Raises RecordingError where it cannot be written.
    """

    def __init__(self, path: Path, context: ShardContext) -> None:
        self.path = path
        self.context = context
        self.count = 0
        self.columns = columns_of(context.outputs)
        self._encoder = MapEncoder()
        self._colors = MapColors(context.labels.palette())
        self._prefix = _quote(context.name)
        with self._writing():
            self._file = path.open('wb')

    def see(self, frame: RecordedFrame, prediction: Prediction) -> None:
        """Write one frame."""
        values = self._values(frame, prediction)
        for column in self.columns:
            if column.output is not None:
                drawn = column.output.draw(prediction, self._colors)
                values[column.name] = self._encoder.encode(column.output, drawn)
        with self._writing():
            self._add({column.name: values[column.name] for column in self.columns})
        self.count += 1

    def close(self) -> None:
        """Finish the file."""
        with self._writing():
            self._end()
            self._file.close()

    def abandon(self) -> None:
        """Remove the file."""
        with suppress(OSError):  # a full disk is no matter for what is thrown away
            self._end()
        with suppress(OSError):
            self._file.close()
        self.path.unlink(missing_ok=True)

    def _values(self, frame: RecordedFrame, prediction: Prediction) -> dict[str, Any]:
        """Return the values of the columns that hold no maps."""
        context = self.context
        camera = None if frame.calibration is None else pinhole_of(frame.calibration)
        pose = None if context.poses is None else context.poses(frame)
        return {
            'key': f'{self._prefix}/{frame.number:08d}',
            'source': context.source, 'segment': context.segment, 'frame': frame.number,
            'stamp_ns': frame.stamp_ns, 'time_ns': frame.time_ns, 'frame_id': frame.frame_id,
            'image': self._encoder.png(present(prediction.image)),
            'camera': None if camera is None else {
                name: float(value) for name, value in asdict(camera).items()},
            'pose': None if pose is None else pose.values(),
            'active_fraction': prediction.stats.active_fraction,
        }

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise RecordingError(
                f'{self.path}: cannot be written: {error.strerror or error}') from error

    @abstractmethod
    def _add(self, row: dict[str, Any]) -> None:
        """Put a row, by the names of the columns, into the file."""

    @abstractmethod
    def _end(self) -> None:
        """Write the end of the file."""


def _quote(name: str) -> str:
    """Return a name as keys begin with it, no two names alike."""
    # in a tar file, WebDataset ends a key at its first dot, and skips names that begin with __
    quoted = name.replace('%', '%25').replace('.', '%2E')
    return f'%5F{quoted[1:]}' if quoted.startswith('__') else quoted
