"""What the engine remembers of one camera."""

from typing import TYPE_CHECKING

from mtshare_ros.inference.map_decoder import MapDecoder, MapState
from mtshare_ros.inference.prediction import FrameStats
from mtshare_ros.sharing.budget import FrameCost, LatencyController
from mtshare_ros.sharing.cache import ActivationCache
from mtshare_ros.sharing.plan import PlanBounds
from mtshare_ros.sharing.settings import SharingSettings

if TYPE_CHECKING:  # most cameras have none of these, so their code is loaded where it is needed
    from mtshare_ros.inference.geometry_decoder import GeometryDecoder, GeometryState
    from mtshare_ros.inference.moving_camera import MovingCamera
    from mtshare_ros.inference.static.static_camera import StaticCamera

SOURCE_CHANGED = 'image size changed'


class Session:
    """
    The memory of one camera, handed to every call of ``Engine.infer``; the engine has none.

    ``cache`` holds what the network computed, ``derived`` by task what was worked out from that,
    ``maps`` by task what was decoded of both. ``static`` is all that in one, for a camera whose
    frames go by lists of fixed lengths; the others are empty then. ``moving`` is what is carried
    along with a camera whose motion is followed. ``controller`` holds a latency target. After
    ``reset`` the next frame is computed as if it were the first.
    """

    def __init__(self) -> None:
        self.cache = ActivationCache()
        self.derived: dict[str, 'GeometryState'] = {}
        self.maps: dict[str, MapState] = {}
        self.static: 'StaticCamera | None' = None
        self.moving: 'MovingCamera | None' = None
        self.controller: LatencyController | None = None
        self._source_size: tuple[int, int] | None = None

    def reset(self, reason: str) -> None:
        """Forget the camera; the reason stands in the next frame's statistics."""
        self.cache.reset(reason)

    def release(self, reason: str) -> None:
        """Forget the camera and let its buffers go; the next frame allocates them anew."""
        self.cache.release(reason)
        self.derived.clear()
        self.maps.clear()
        self.static = self.moving = None

    def stop_following(self, reason: str) -> None:
        """Let the camera's motion go; what the network keeps in the order of the world, too."""
        if self.moving is not None and self.moving.state is not None:
            self.cache.reset(self.cache.reset_reason or reason)
        self.moving = None

    def see(self, source_size: tuple[int, int]) -> None:
        """Note the (height, width) of the camera's image; another one than before is a reset."""
        if self._source_size not in (None, source_size):
            self.reset(SOURCE_CHANGED)
        self._source_size = source_size

    def bounds(
        self, settings: SharingSettings, crossover: float, patch_count: int, cost: FrameCost | None
    ) -> PlanBounds:
        """
        Return what bounds the rows of the next frame.

        Above ``crossover``, a share of the rows, it runs dense; ``cost`` is what frames cost where
        its time has a target.
        """
        free = PlanBounds(crossover, settings.scene_cut_fraction)
        if cost is None:
            self.controller = None
            return free
        budget = self.control(settings, cost, patch_count).budget()
        return free if budget >= crossover * patch_count else PlanBounds(budget=budget)

    def observe(self, stats: FrameStats, rows: int, most: int) -> None:
        """Let a latency target learn from a frame of some rows, of which at most so many count."""
        if self.controller is not None and not stats.reset_reason:
            self.controller.observe(min(rows, most), stats.total_ms)

    def control(
        self, settings: SharingSettings, cost: FrameCost, patch_count: int
    ) -> LatencyController:
        """Return the camera's controller, a new one where target or bound are new."""
        known = self.controller
        target, max_age = settings.latency_target_ms, settings.max_age
        if known is None or (known.target_ms, known.max_age) != (target, max_age):
            known = self.controller = LatencyController(
                target, cost, patch_count=patch_count, max_age=max_age)
        return known

    def maps_of(self, task: str, decoder: MapDecoder) -> MapState:
        """Return a task's maps to bring up to date, new ones where the grid is another."""
        camera = self.cache.camera
        known = self.maps.get(task)
        if known is None or known.level.grid != camera.grid:
            known = self.maps[task] = decoder.allocate(camera.grid, camera.ages.device)
        return known

    def derived_of(self, task: str, decoder: 'GeometryDecoder') -> 'GeometryState':
        """Return a task's output to work out, a new one where the grid is another."""
        camera = self.cache.camera
        known = self.derived.get(task)
        if known is None or known.level.grid != camera.grid:
            known = self.derived[task] = decoder.allocate(camera.grid, camera.ages.device)
        return known

    def nbytes(self) -> dict[str, int]:
        """Return the bytes by task, and what all tasks share as ``shared``."""
        carried = {} if self.moving is None else {'shared': self.moving.nbytes}
        if self.static is not None:
            return {'shared': self.static.nbytes + carried.get('shared', 0)}
        sizes = self.cache.nbytes()
        for task, size in carried.items():
            sizes[task] = sizes.get(task, 0) + size
        for states in (self.derived, self.maps):
            for task, state in states.items():
                sizes[task] = sizes.get(task, 0) + state.nbytes
        return sizes
