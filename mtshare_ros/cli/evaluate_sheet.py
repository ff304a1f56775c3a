"""The picture of an evaluation: some of the frames that pass by, evenly spread."""

from typing import Any, Mapping, TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from mtshare_ros.evaluation.scoring import Truth
    from mtshare_ros.inference.contact_sheet import SheetMaps, SheetRow
    from mtshare_ros.inference.prediction import Prediction
    from mtshare_ros.tasks import LabelSet

SHEET_FRAMES = 10
"""Frames of a sheet."""


class Gallery:
    """
    Keeps some frames with their predictions for the contact sheet.

    A frame that was computed in several ways has a row for each: the first shows the image and
    the truth, the next ones in place of the image what was recomputed.
    """

    def __init__(self, passing: int, wanted: int) -> None:
        wanted = min(passing, wanted)
        self._places = {number * passing // wanted for number in range(wanted)}
        self._passed = 0
        self._rows: list['SheetRow'] = []

    def see(self, truth: 'Truth', found: Mapping[str, 'Prediction']) -> None:
        """Let a frame pass with its predictions by the way they were computed."""
        if self._passed in self._places:
            self._rows += _rows(truth, found)
        self._passed += 1

    def draw(self, labels: 'LabelSet') -> Any:
        """Return the sheet of the kept frames."""
        from mtshare_ros.inference.contact_sheet import draw_contact_sheet

        return draw_contact_sheet(self._rows, labels)


def _rows(truth: 'Truth', found: Mapping[str, 'Prediction']) -> 'list[SheetRow]':
    from mtshare_ros.inference.contact_sheet import SheetMaps, SheetRow

    rows: list['SheetRow'] = []
    for prediction in found.values():
        maps = SheetMaps(prediction.mask, prediction.depth, prediction.normals, prediction.edges,
                         prediction.disparity)
        rows.append(SheetRow(truth.image, SheetMaps(), maps, _activity(prediction)) if rows else
                    SheetRow(truth.image, _true_maps(truth), maps))
    return rows


def _true_maps(truth: 'Truth') -> 'SheetMaps':
    from mtshare_ros.evaluation.scoring import is_marked
    from mtshare_ros.inference.contact_sheet import SheetMaps

    edges = None if truth.edges is None else is_marked(truth.edges)
    return SheetMaps(truth.labels, truth.depth, truth.normals, edges)


def _activity(prediction: 'Prediction') -> 'np.ndarray | None':
    """Return the image (H, W, 3) uint8 a prediction saw under what was recomputed of it."""
    from mtshare_ros.inference.activity import color_activity

    shown = dict(list(prediction.stats.activity.items())[:4])  # a tile has room for four tasks
    return None if prediction.image is None else color_activity(prediction.image, shown)
