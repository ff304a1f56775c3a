"""The pictures of ``mtshare real``: contact sheets of photographs and of some frames of videos."""

from pathlib import Path
from typing import Any, TYPE_CHECKING

import typer

if TYPE_CHECKING:
    import numpy as np

    from mtshare_ros.inference.contact_sheet import SheetMaps, SheetRow
    from mtshare_ros.inference.prediction import Prediction
    from mtshare_ros.report.real_clips import ComputedFrame
    from mtshare_ros.tasks import LabelSet

PHOTOGRAPHS = 'photographs'
_CLIP_ROWS = 3
_WIDTH = 1400
_QUALITY = 88


class Sheets:
    """
    Collects what one model makes of the files, and saves the sheets.

    ``frames`` is how many a clip has; some, evenly spread, have two rows: the whole computation
    beside the image, and the shared one beside what was recomputed.
    """

    def __init__(self, folder: Path, model: str, frames: int) -> None:
        self._folder = folder
        self._model = model
        count = min(_CLIP_ROWS, frames - 1)
        self._places = {1 + number * (frames - 1) // count for number in range(count)}
        self._passed: dict[str, int] = {}
        self._rows: dict[str, list['SheetRow']] = {}

    def see_photograph(self, prediction: 'Prediction') -> None:
        """Keep a photograph with its maps."""
        self._add(PHOTOGRAPHS, prediction)

    def see_frame(self, clip: str, frame: 'ComputedFrame') -> None:
        """Let a frame of a clip pass."""
        number = self._passed.get(clip, 0)
        self._passed[clip] = number + 1
        if number in self._places:
            self._add(clip, frame.dense)
            self._add(clip, frame.shared, _activity(frame.shared))

    def save(self, labels: 'LabelSet') -> list[dict[str, Any]]:
        """Save the sheets; return what they show, of which model, and where they lie."""
        from mtshare_ros.inference.contact_sheet import draw_contact_sheet

        listing = []
        for kind, rows in self._rows.items():
            file = f'images/real_{kind}_{self._model}.jpg'
            _save(self._folder / file, draw_contact_sheet(rows, labels, width=_WIDTH))
            listing.append({'shows': kind, 'model': self._model, 'file': file})
        return listing

    def _add(
        self, kind: str, prediction: 'Prediction', shown: 'np.ndarray | None' = None
    ) -> None:
        from mtshare_ros.inference.contact_sheet import SheetMaps, SheetRow

        if prediction.image is not None:
            self._rows.setdefault(kind, []).append(SheetRow(
                prediction.image.copy(), SheetMaps(), _maps(prediction), shown))


def _maps(prediction: 'Prediction') -> 'SheetMaps':
    from mtshare_ros.inference.contact_sheet import SheetMaps

    return SheetMaps(prediction.mask, prediction.depth, prediction.normals, prediction.edges)


def _activity(prediction: 'Prediction') -> 'np.ndarray | None':
    from mtshare_ros.inference.colorize import color_activity

    shown = dict(list(prediction.stats.activity.items())[:4])  # a tile has room for four tasks
    return None if prediction.image is None else color_activity(prediction.image, shown)


def _save(path: Path, pixels: 'np.ndarray') -> None:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, quality=_QUALITY)
    typer.echo(f'wrote {path}')
