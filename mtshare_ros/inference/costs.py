"""What frames cost on this machine, measured for those who ask."""

from dataclasses import dataclass
from typing import Callable, Iterator

import numpy as np

from mtshare_ros.inference.prediction import FrameStats, InferenceSettings, Prediction
from mtshare_ros.inference.session import Session
from mtshare_ros.sharing.budget import FrameCost
from mtshare_ros.sharing.settings import SharingSettings

_SHARES = (0.1, 0.4)
_ROUNDS = 3

_DENSE = SharingSettings(crossover=0.0, scene_cut_fraction=1.0)
_SPARSE = SharingSettings(crossover=1.0, scene_cut_fraction=1.0)

Infer = Callable[[np.ndarray, Session, InferenceSettings], Prediction]


@dataclass(frozen=True)
class MachineCosts:
    """
    Milliseconds of a dense frame, those of a frame by rows, and where the two meet.

    Above ``crossover``, a share of the rows, a dense frame is faster.
    """

    dense_ms: float
    rows: FrameCost
    crossover: float


def measure_costs(
    infer: Infer, tasks: tuple[str, ...], size: tuple[int, int], patch_size: int
) -> MachineCosts:
    """
    Time whole frames as cameras send them, from the image to the maps, dense and by rows.

    Both kinds take turns, and each counts by its fastest. What changes is new to every row, so
    gates drop less than they do of most scenes: no frame by rows costs more than is said here.
    """
    dense, sparse = Session(), Session()
    fastest: dict[float, FrameStats] = {}
    for number, (share, image) in enumerate(_changing_images(size, patch_size)):
        stats = infer(image, sparse, InferenceSettings(tasks, _SPARSE)).stats
        whole = infer(image, dense, InferenceSettings(tasks, _DENSE)).stats
        if number > len(_SHARES):  # the first of every kind warm up
            _keep_faster(fastest, share, stats)
            _keep_faster(fastest, 1.0, whole)
    cells = size[0] * size[1] // patch_size ** 2
    few, many = (fastest[share] for share in _SHARES)
    few_rows, many_rows = (stats.input_fraction * cells for stats in (few, many))
    per_row = max((many.total_ms - few.total_ms) / max(many_rows - few_rows, 1.0), 1e-6)
    cost = FrameCost(max(few.total_ms - per_row * few_rows, 0.0), per_row)
    dense_ms = fastest[1.0].total_ms
    return MachineCosts(dense_ms, cost, min(cost.rows_within(dense_ms) / cells, 1.0))


def _changing_images(
    size: tuple[int, int], patch_size: int
) -> Iterator[tuple[float, np.ndarray]]:
    """
    Give (H, W, 3) uint8 images of noise whose topmost patches take other colours each time.

    They are whole lines of patches, as connected as what moves in a scene, and come with their
    share of the image.
    """
    # drawn apart: to measure shall not change which numbers others draw next
    random = np.random.default_rng(0)
    noise = random.integers(0, 128, (*size, 3), np.uint8)
    lines, columns = size[0] // patch_size, size[1] // patch_size
    colours = random.integers(0, 128, (lines, columns, 3), np.uint8)
    for share in (1.0, *_SHARES * (1 + _ROUNDS)):
        count = max(1, int(share * lines))
        colours[:count] = random.integers(0, 128, (count, columns, 3), np.uint8)
        yield share, noise + colours.repeat(patch_size, axis=0).repeat(patch_size, axis=1)


def _keep_faster(fastest: dict[float, FrameStats], share: float, stats: FrameStats) -> None:
    if share not in fastest or stats.total_ms < fastest[share].total_ms:
        fastest[share] = stats
