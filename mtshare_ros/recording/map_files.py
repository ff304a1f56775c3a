"""The maps of frames as files: one folder for each map, one file in it for each frame."""

from functools import partial
from pathlib import Path
from typing import Callable

import yaml

from mtshare_ros.errors import RecordingError
from mtshare_ros.file_paths import check_new_folder
from mtshare_ros.inference.map_outputs import MapColors, maps_of
from mtshare_ros.inference.prediction import Prediction
from mtshare_ros.recording.frames import RecordedFrame
from mtshare_ros.recording.map_encoding import MapEncoder
from mtshare_ros.tasks import LabelSet


class MapFiles:
    """
    Writes maps below a folder, as ``<topic>/<name>.<ending>``.

    They are as ``MapEncoder`` makes them; the pixels of the mask are class ids, with a palette
    that shows them in colours. labels.yaml names the classes.
    """

    def __init__(
        self, folder: Path, outputs: tuple[str, ...], labels: LabelSet, *, npy: bool
    ) -> None:
        palette = labels.palette()
        self._encoder = MapEncoder(palette, npy=npy)
        self._folder = folder
        self._maps = maps_of(outputs)
        self._colors = MapColors(palette)
        for row in self._maps:
            self._act(folder / row.topic, lambda path: path.mkdir(parents=True, exist_ok=True))
        if 'semantic/mask' in outputs:
            rows = [{'id': number, 'name': name, 'rgb': list(color)}
                    for number, (name, color) in enumerate(zip(labels.names, labels.colors))]
            text = yaml.safe_dump(rows, sort_keys=False, default_flow_style=None)
            self._act(folder / 'labels.yaml',
                      lambda path: path.write_text(text, encoding='utf-8'))

    def see(self, frame: RecordedFrame, prediction: Prediction) -> None:
        """Write the maps of one frame; raise RecordingError where a file cannot be written."""
        for row in self._maps:
            data = self._encoder.encode(row, row.draw(prediction, self._colors))
            path = self._folder / row.topic / f'{frame.name}.{self._encoder.ending_of(row)}'
            self._act(path, partial(Path.write_bytes, data=data))

    def close(self) -> None:
        """Do nothing: every file is complete already."""

    def _act(self, path: Path, action: Callable[[Path], object]) -> None:
        try:
            action(path)
        except OSError as error:
            raise RecordingError(f'{path}: cannot be written: {error.strerror}') from error


def prepare_folder(folder: Path, overwrite: bool) -> None:
    """Refuse a folder that cannot be written, or is not empty and may not be overwritten."""
    if folder.exists() and not folder.is_dir():
        raise RecordingError(f'{folder}: is a file; give a folder')
    if not overwrite and folder.is_dir() and any(folder.iterdir()):
        raise RecordingError(f'{folder}: is not empty; give another folder, or --overwrite to '
                             'replace files of the same names')
    check_new_folder(folder)
