"""What the benchmark compares, and on what."""

from dataclasses import dataclass, field
from typing import Iterable

from mtshare_ros.benchmark.carried_side import CARRIED_SIDES
from mtshare_ros.benchmark.dense_sides import DENSE_SIDES
from mtshare_ros.benchmark.engine_side import ENGINE_SIDES, MOTION_SIDES
from mtshare_ros.config import require
from mtshare_ros.data.rooms.motions import HARDER
from mtshare_ros.sharing.settings import SharingSettings

REFERENCE = 'prefix'
"""The side that computes the model's dense outputs in every frame: exact, and the cheapest."""

SIDES = (*DENSE_SIDES, *ENGINE_SIDES, 'hold')
"""What is compared where the camera rests or moves slowly."""

MOVING_SIDES = (REFERENCE, 'combined', *MOTION_SIDES, *CARRIED_SIDES)
"""What is compared where it moves as a robot does."""

EVERY_SIDE = tuple(dict.fromkeys((*SIDES, *MOVING_SIDES)))

RIVAL = 'moving_fused'
"""The side whose cost carried sides may have to meet."""

LONGEST_PERIOD = 30


def usual_sides(motions: Iterable[str]) -> tuple[str, ...]:
    """Return what is compared on streams unless other sides are named."""
    names = set(motions)
    return MOVING_SIDES if names and names <= set(HARDER) else SIDES


@dataclass(frozen=True)
class BenchSettings:
    """
    What is compared, and on what.

    ``frames`` count by motion. The sides whose cost does not depend on the frame, and that are the
    costliest, run on every ``dense_every``-th frame. ``nth``: of the sides that carry maps along,
    the network computes every n-th frame; 0 is as often as costs what ``RIVAL`` does on average.
    ``noise`` multiplies the camera's; ``clean`` asks for the difference to the dense outputs of
    frames without any.
    """

    tasks: tuple[str, ...]
    motions: tuple[str, ...] = ('static',)
    frames: int = 256
    warm_up: int = 8
    sides: tuple[str, ...] = SIDES
    sharing: SharingSettings = field(default_factory=SharingSettings)
    noise: float = 1.0
    clean: bool = False
    compiling: bool = True
    dense_every: int = 8
    nth: int = 3

    def __post_init__(self) -> None:
        """Raise ConfigError for an unknown side or a period that makes no sense."""
        for side in self.sides:
            require(side in EVERY_SIDE, 'sides', side, f'any of {", ".join(EVERY_SIDE)}')
        require(0 <= self.nth <= LONGEST_PERIOD, 'nth', self.nth, f'0 to {LONGEST_PERIOD}')

    @property
    def moves(self) -> bool:
        """Whether a side moves maps along with the camera."""
        return not {*CARRIED_SIDES, *MOTION_SIDES}.isdisjoint(self.sides)

    @property
    def carries_shared_encoder(self) -> bool:
        """Whether a side carries the maps of a network with one encoder for all tasks."""
        return any(name in CARRIED_SIDES and name.startswith('shared_encoder')
                   for name in self.sides)
