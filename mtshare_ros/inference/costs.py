"""What frames cost on this machine, measured for those who ask."""

from dataclasses import dataclass
from functools import partial
import time
from typing import Callable, Sequence

import torch

from mtshare_ros.sharing.budget import FrameCost
from mtshare_ros.sharing.cache import ActivationCache
from mtshare_ros.sharing.network import SharingNetwork
from mtshare_ros.sharing.plan import PlanLimits
from mtshare_ros.sharing.settings import SharingSettings

_SHARES = (0.1, 0.5)
_ROUNDS = 3


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
    network: SharingNetwork, size: tuple[int, int], tasks: tuple[str, ...]
) -> MachineCosts:
    """
    Time frames of noise, dense and with some rows, taking turns; each counts by its fastest.

    The rows are whole lines of tokens, so they are as connected as what moves in a scene.
    """
    height, width = size
    # drawn apart: to measure shall not change which numbers others draw next
    image = torch.randint(256, (1, 3, height, width), dtype=torch.uint8,
                          generator=torch.Generator().manual_seed(0)).to(network.device)
    settings = SharingSettings(temporal=False, task=False)
    cache = ActivationCache()

    def dense() -> None:
        cache.reset('measurement')
        network.run(cache, image, tasks, settings, PlanLimits())

    dense()
    columns = cache.camera.grid[1]
    cell_count = cache.camera.grid[0] * columns
    lists = [torch.arange(max(columns, int(share * cell_count) // columns * columns),
                          device=network.device) for share in _SHARES]
    some = [partial(network.run_rows, cache, image, tasks, settings, rows) for rows in lists]
    dense_ms, *times = _fastest([dense, *some], network.device)
    few, many = (rows.shape[0] for rows in lists)
    per_row = max((times[1] - times[0]) / max(many - few, 1), 1e-6)
    cost = FrameCost(max(times[0] - per_row * few, 0.0), per_row)
    crossover = min(max(cost.rows_within(dense_ms) / cell_count, 0.0), 1.0)
    return MachineCosts(dense_ms, cost, crossover)


def _fastest(jobs: Sequence[Callable[[], object]], device: torch.device) -> list[float]:
    """Return the least milliseconds of every job, the jobs taking turns."""
    best = [float('inf')] * len(jobs)
    for _ in range(1 + _ROUNDS):
        for number, job in enumerate(jobs):
            start = time.perf_counter()
            job()
            if device.type == 'cuda':
                torch.cuda.synchronize(device)
            best[number] = min(best[number], (time.perf_counter() - start) * 1e3)
    return best
