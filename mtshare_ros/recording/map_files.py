"""The maps of frames as files: one folder for each map, one file in it for each frame."""

from functools import partial
import io
from pathlib import Path
from typing import Any, Callable

import numpy as np
import yaml

from mtshare_ros.errors import import_extra, RecordingError
from mtshare_ros.file_paths import check_new_folder
from mtshare_ros.inference.map_outputs import MapColors, maps_of, OutputSpec
from mtshare_ros.inference.prediction import Prediction
from mtshare_ros.recording.frames import RecordedFrame
from mtshare_ros.tasks import LabelSet

MILLIMETRES_PER_METRE = 1000
_LARGEST_MILLIMETRES = np.iinfo(np.uint16).max


class MapFiles:
    """
    Writes maps below a folder, as ``<topic>/<name>.<ending>``.

    8-bit maps are PNG files of their values; the pixels of the mask are class ids, with a palette
    that shows them in colours. Depth and normals are float32 arrays if ``npy`` is set, otherwise
    PNG files of lower precision: see ``depth_to_png`` and ``normals_to_png``. labels.yaml names
    the classes.
    """

    def __init__(
        self, folder: Path, outputs: tuple[str, ...], labels: LabelSet, *, npy: bool
    ) -> None:
        self._pillow = import_extra('PIL.Image', 'writing images', 'cli')
        self._folder = folder
        self._maps = maps_of(outputs)
        self._palette = labels.palette()
        self._colors = MapColors(self._palette)
        self._npy = npy
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
            values = row.draw(prediction, self._colors)
            ending, data = self._encode(row, values)
            path = self._folder / row.topic / f'{frame.name}.{ending}'
            self._act(path, partial(Path.write_bytes, data=data))

    def close(self) -> None:
        """Do nothing: every file is complete already."""

    def _encode(self, row: OutputSpec, values: np.ndarray) -> tuple[str, bytes]:
        """Return the ending and the bytes of a file."""
        buffer = io.BytesIO()
        # a relative depth has no unit, so no scale would fit it into 16 bits
        if values.dtype == np.float32 and (self._npy or row.relative):
            np.save(buffer, values)
            return 'npy', buffer.getvalue()
        self._picture(row, values).save(buffer, 'png')
        return 'png', buffer.getvalue()

    def _picture(self, row: OutputSpec, values: np.ndarray) -> Any:
        if row.encoding == '32FC1':
            return self._pillow.fromarray(depth_to_png(values))
        if row.encoding == '32FC3':
            return self._pillow.fromarray(normals_to_png(values))
        picture = self._pillow.fromarray(values)
        if row.topic == 'semantic/mask':
            picture = picture.convert('L')
            picture.putpalette(self._palette.tobytes())
        return picture

    def _act(self, path: Path, action: Callable[[Path], object]) -> None:
        try:
            action(path)
        except OSError as error:
            raise RecordingError(f'{path}: cannot be written: {error.strerror}') from error


def depth_to_png(depth: np.ndarray) -> np.ndarray:
    """Return (H, W) metres as uint16 millimetres: 0 is invalid, 65535 is 65.535 m or more."""
    millimetres = np.nan_to_num(depth, nan=0.0) * MILLIMETRES_PER_METRE
    return np.clip(millimetres, 0, _LARGEST_MILLIMETRES).round().astype(np.uint16)


def normals_to_png(normals: np.ndarray) -> np.ndarray:
    """Return (H, W, 3) unit vectors as uint8, x y z from -1..1 to 1..255: 0 0 0 is invalid."""
    levels = (np.nan_to_num(normals) * 127 + 128).round().astype(np.uint8)
    levels[~np.isfinite(normals).all(axis=-1)] = 0
    return levels


def prepare_folder(folder: Path, overwrite: bool) -> None:
    """Refuse a folder that cannot be written, or is not empty and may not be overwritten."""
    if folder.exists() and not folder.is_dir():
        raise RecordingError(f'{folder}: is a file; give a folder')
    if not overwrite and folder.is_dir() and any(folder.iterdir()):
        raise RecordingError(f'{folder}: is not empty; give another folder, or --overwrite to '
                             'replace files of the same names')
    check_new_folder(folder)
