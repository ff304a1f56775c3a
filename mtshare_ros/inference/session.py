"""What the engine remembers of one camera."""

from typing import TYPE_CHECKING

from mtshare_ros.inference.map_decoder import MapDecoder, MapState
from mtshare_ros.inference.prediction import FrameStats
from mtshare_ros.sharing.camera_cache import ActivationCache
from mtshare_ros.sharing.plan import FrameCost, LatencyController, PlanBounds
from mtshare_ros.sharing.sharing_settings import SharingSettings

if TYPE_CHECKING:  # most cameras have none of these, so their code is loaded where it is needed
    from mtshare_ros.inference.geometry_decoder import GeometryDecoder, GeometryState
    from mtshare_ros.inference.moving_camera import MovingCamera
    from mtshare_ros.inference.static.static_camera import StaticCamera

SOURCE_CHANGED = 'image size changed'


class Session:
    """
    The memory of one camera, passed to every call of ``Engine.infer``; the engine keeps none.

    ``cache`` holds what the network computed, ``derived`` by task the raw outputs without weights,
    ``maps`` by task the decoded maps. On the static path ``static`` holds all of this, and the
    others are empty. ``moving`` holds the maps that are carried along with a camera whose motion
    is followed, ``controller`` the state of a latency target. After ``reset`` the next frame is
    computed as if it were the first.
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
        """Compute the next frame as if it were the first; its statistics state the reason."""
        self.cache.reset(reason)

    def release(self, reason: str) -> None:
        """Reset, and free all buffers; the next frame allocates them anew."""
        self.cache.release(reason)
        self.derived.clear()
        self.maps.clear()
        self.static = self.moving = None

    def stop_following(self, reason: str) -> None:
        """Drop the carried maps, and the network's cache where it moves with the view."""
        if self.moving is not None and self.moving.state is not None:
            # a reset that is already due keeps its own reason
            self.cache.reset(self.cache.reset_reason or reason)
        self.moving = None

    def check_source_size(self, source_size: tuple[int, int]) -> None:
        """Reset where the (height, width) of the camera's image has changed."""
        if self._source_size not in (None, source_size):
            self.reset(SOURCE_CHANGED)
        self._source_size = source_size

    def bounds(
        self, settings: SharingSettings, crossover: float, patch_count: int, cost: FrameCost | None
    ) -> PlanBounds:
        """
        Return the bounds on the tokens of the next frame.

        Above ``crossover``, a share of the tokens, the whole frame is computed. ``cost`` is given
        where there is a latency target: it bounds the tokens by a budget.
        """
        free = PlanBounds(crossover, settings.scene_cut_fraction)
        if cost is None:
            self.controller = None
            return free
        budget = self.control(settings, cost, patch_count).budget()
        # the default bounds compute no frame whole, which with such a budget would miss the target
        return free if budget >= crossover * patch_count else PlanBounds(budget=budget)

    def observe(self, stats: FrameStats, tokens: int, most: int) -> None:
        """Adapt a latency target to a frame of some tokens, of which at most ``most`` count."""
        if self.controller is not None and not stats.reset_reason:
            # a frame with more tokens is computed whole, in the time of about ``most`` tokens
            self.controller.observe(min(tokens, most), stats.total_ms)

    def control(
        self, settings: SharingSettings, cost: FrameCost, patch_count: int
    ) -> LatencyController:
        """Return the camera's controller, a new one where the target or the age limit changed."""
        known = self.controller
        target, max_age = settings.latency_target_ms, settings.max_age
        if known is None or (known.target_ms, known.max_age) != (target, max_age):
            known = self.controller = LatencyController(
                target, cost, patch_count=patch_count, max_age=max_age)
        return known

    def maps_of(self, task: str, decoder: MapDecoder) -> MapState:
        """Return the buffers of a task's maps, new ones where the grid has changed."""
        camera = self.cache.camera
        known = self.maps.get(task)
        if known is None or known.level.grid != camera.grid:
            known = self.maps[task] = decoder.allocate(camera.grid, camera.ages.device)
        return known

    def derived_of(self, task: str, decoder: 'GeometryDecoder') -> 'GeometryState':
        """Return the buffers of a derived raw output, new ones where the grid has changed."""
        camera = self.cache.camera
        known = self.derived.get(task)
        if known is None or known.level.grid != camera.grid:
            known = self.derived[task] = decoder.allocate(camera.grid, camera.ages.device)
        return known

    def nbytes(self) -> dict[str, int]:
        """Return the bytes of the buffers by task; those of all tasks are under ``shared``."""
        sizes = self.cache.nbytes() if self.static is None else {'shared': self.static.nbytes}
        if self.moving is not None:
            sizes['shared'] = sizes.get('shared', 0) + self.moving.nbytes
        for states in (self.derived, self.maps):
            for task, state in states.items():
                sizes[task] = sizes.get(task, 0) + state.nbytes
        return sizes
