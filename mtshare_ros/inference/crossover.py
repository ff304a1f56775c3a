"""Above which share of its rows a frame is computed whole, and where that figure comes from."""

from dataclasses import dataclass
from typing import Mapping

from mtshare_ros.sharing.settings import SharingSettings

SETTING, MEASURED, MODEL, DEFAULT, UNKNOWN = (
    'setting', 'measured', 'model', 'default', 'unknown')
"""Sources, the first that there is holds; nothing is measured that nobody asked for."""

DEFAULT_CROSSOVERS = {'cpu': 0.9}
"""
By type of device, for models that hold none.

On a CPU a frame takes about as long as it has rows, whatever the model: those that ship have 0.85
to 0.98 there. How a GPU fares depends on the GPU: until somebody measures, no frame runs dense for
being faster so.
"""


@dataclass(frozen=True)
class Crossover:
    """
    Frames with more than ``share`` of their rows to compute are faster dense, and run so.

    ``source`` is ``setting``, ``measured``, ``model``, ``default`` or ``unknown``.
    """

    share: float
    source: str


def choose_crossover(
    device: str, settings: SharingSettings, measured: float | None, stored: Mapping[str, float],
) -> Crossover:
    """Return what holds on a device; ``stored`` are the model's figures by type of device."""
    kind = device.partition(':')[0]
    if settings.crossover is not None:
        return Crossover(settings.crossover, SETTING)
    if not settings.temporal:
        return Crossover(1.0, SETTING)  # every frame is whole already
    if measured is not None:
        return Crossover(measured, MEASURED)
    if kind in stored:
        return Crossover(stored[kind], MODEL)
    if kind in DEFAULT_CROSSOVERS:
        return Crossover(DEFAULT_CROSSOVERS[kind], DEFAULT)
    return Crossover(1.0, UNKNOWN)
