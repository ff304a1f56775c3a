"""A contact sheet of some frames of a recording, evenly spread over all that pass by."""

from pathlib import Path
from typing import Callable

import numpy as np

from mtshare_ros.inference.contact_sheet import draw_contact_sheet, SheetMaps, SheetRow
from mtshare_ros.inference.prediction import Prediction
from mtshare_ros.recording.perceiving import RecordedFrame
from mtshare_ros.tasks import LabelSet

SHEET_ROWS = 8
"""Frames of a sheet."""


class SheetWriter:
    """
    Keeps every n-th frame, and a larger n the longer it goes on; draws them at the end.

    ``save`` writes the picture, (H, W, 3) uint8 RGB, to the path.
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
        """Let one frame pass."""
        if self._passed % self._stride == 0 and prediction.image is not None:
            maps = SheetMaps(prediction.mask, prediction.depth, prediction.normals,
                             prediction.edges, prediction.disparity)
            self._rows.append(SheetRow(prediction.image.copy(), SheetMaps(), maps))
        self._passed += 1
        if len(self._rows) > 2 * SHEET_ROWS:
            del self._rows[1::2]
            self._stride *= 2

    def close(self) -> None:
        """Save the sheet; without frames there is none."""
        if self._rows:
            self._save(self._path, draw_contact_sheet(self.chosen(), self._labels))

    def chosen(self) -> list[SheetRow]:
        """Return the rows of the sheet."""
        count = min(len(self._rows), SHEET_ROWS)
        return [self._rows[number * len(self._rows) // count] for number in range(count)]
