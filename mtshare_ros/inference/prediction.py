"""What a frame is computed with, the result, and its statistics."""

from dataclasses import dataclass, field, fields, replace
from typing import Iterable, Mapping, Sequence, TYPE_CHECKING

import numpy as np

from mtshare_ros.image_frame import Framing
from mtshare_ros.motion.motion_settings import MotionSettings
from mtshare_ros.sharing.sharing_settings import SharingSettings
from mtshare_ros.tasks import DEFAULT_TASKS, get_task, ordered

if TYPE_CHECKING:  # it loads PyTorch, and processes that only show predictions do without
    from mtshare_ros.sharing.frame_work import FrameWork


@dataclass(frozen=True)
class InferenceSettings:
    """
    What one call of the engine computes.

    ``tasks`` are task ids in any order; other tasks are not computed. ``activity`` asks for the
    maps of what was recomputed, which are for people only. ``motion`` is what is done with the
    maps when the camera moves.
    """

    tasks: tuple[str, ...] = DEFAULT_TASKS
    sharing: SharingSettings = field(default_factory=SharingSettings)
    activity: bool = False
    motion: MotionSettings = field(default_factory=MotionSettings)

    def __post_init__(self) -> None:
        """Bring the tasks into canonical order; raise ConfigError for an unknown one."""
        object.__setattr__(self, 'tasks', ordered(self.tasks))

    @classmethod
    def to_show(
        cls, outputs: Iterable[str], available: Iterable[str], sharing: SharingSettings, *,
        activity: bool = False, motion: MotionSettings | None = None,
    ) -> 'InferenceSettings':
        """
        Return what to compute for outputs, each given by its task.

        An output with an empty task shows the activity of the tasks that are computed; where there
        is no other output, these are all available tasks. ``activity`` asks for the activity even
        if no output shows it. Without outputs there are no tasks.
        """
        tasks = set(outputs)
        named = tasks - {''}
        return cls(tuple(named or (available if tasks else ())), sharing,
                   activity=activity or '' in tasks, motion=motion or MotionSettings())


@dataclass(frozen=True)
class MotionStats:
    """
    How the motion of the camera was followed in one frame.

    ``source`` and ``confidence`` are those of the MotionEstimate, ``shift`` is the median movement
    of the image since the frame before, in pixels. ``carried`` is the share of the pixels whose
    values come from earlier frames only, ``unseen`` the share of the pixels that no earlier frame
    saw. ``mode`` says how the frame was computed: ``rest`` (as for a camera that stands still),
    ``moving`` (only the patches that the carried maps do not explain) or ``whole``, for which
    ``reason`` says why. ``scaled`` is False where the translation is not in metres, because there
    is no calibration or no depth.
    """

    source: str
    confidence: float
    shift: float
    carried: float
    unseen: float
    mode: str
    reason: str = ''
    scaled: bool = True


@dataclass(frozen=True)
class FrameStats:
    """
    What was computed for one frame, and how long it took.

    ``total_ms`` and ``stage_ms`` are milliseconds, the stages in the order they ran. Shares are of
    the N tokens: ``input_fraction`` of those that entered the network, ``refreshed`` of those that
    entered because their refresh was due, ``active`` and ``reused``, by task and block, of those
    that were computed and of those that reused the base task's result. ``macs`` were done of the
    ``dense_macs`` of the asked tasks, blocks that tasks share counted once. ``oldest_age`` is by
    task the greatest number of frames since a token was last computed in all blocks.
    ``reset_reason`` says why nothing of earlier frames could be used; it is empty where it could.
    ``non_finite`` are the tasks whose raw output holds NaN or infinity. ``activity`` holds by task
    what became of each token, (rows, columns) uint8: 0 kept, 1 reused, 2 computed, 3 refreshed.
    ``motion`` is None where no motion is followed.
    """

    total_ms: float
    stage_ms: dict[str, float] = field(default_factory=dict)
    input_fraction: float = 1.0
    refreshed: float = 0.0
    active: dict[str, tuple[float, ...]] = field(default_factory=dict)
    reused: dict[str, tuple[float, ...]] = field(default_factory=dict)
    macs: int = 0
    dense_macs: int = 0
    oldest_age: dict[str, int] = field(default_factory=dict)
    reset_reason: str = ''
    non_finite: tuple[str, ...] = ()
    activity: dict[str, np.ndarray] = field(default_factory=dict)
    motion: MotionStats | None = None

    @property
    def dense(self) -> bool:
        """Whether every token entered the network."""
        return self.input_fraction == 1

    @property
    def active_fraction(self) -> float:
        """Mean share of tokens that were computed, over tasks and blocks."""
        shares = [share for task in self.active.values() for share in task]
        return sum(shares) / len(shares) if shares else 1.0


_OWN_MAPS = ('mask', 'confidence', 'depth', 'disparity', 'normals', 'edges')
"""The maps that have a field of their own."""


@dataclass(frozen=True)
class Prediction:
    """
    The maps of one frame, each (H, W) of the engine's input size, or None where not computed.

    ``framing`` says which part of the camera image they cover. The arrays belong to the caller.
    """

    framing: Framing
    stats: FrameStats
    image: np.ndarray | None = None
    """(H, W, 3) uint8 RGB, what the network saw; a view of the frame where nothing was resized."""
    mask: np.ndarray | None = None
    """(H, W) uint8 class ids; 255 is unlabelled."""
    confidence: np.ndarray | None = None
    """(H, W) uint8, probability of the chosen class x 255."""
    depth: np.ndarray | None = None
    """(H, W) float32 z-depth in metres; NaN is invalid."""
    disparity: np.ndarray | None = None
    """
    (H, W) float32 inverse depth of unknown scale and shift, in place of ``depth`` for a model
    whose depth is relative; NaN is invalid.
    """
    normals: np.ndarray | None = None
    """(H, W, 3) float32 unit vectors, optical frame (x right, y down, z forward); NaN invalid."""
    edges: np.ndarray | None = None
    """(H, W) uint8, edge probability x 255."""
    other: Mapping[str, np.ndarray] = field(default_factory=dict)
    """
    The maps of further tasks by task id, (H, W) uint8: ``human_parts`` class ids, 255 unlabelled;
    ``saliency`` probability x 255.
    """

    @classmethod
    def from_maps(
        cls, framing: Framing, stats: FrameStats, maps: Mapping[str, np.ndarray],
        image: np.ndarray | None = None,
    ) -> 'Prediction':
        """Return a prediction of maps by name; those without a field go to ``other``."""
        names = {item.name for item in fields(cls)}
        own = {name: values for name, values in maps.items() if name in names}
        other = {name: values for name, values in maps.items() if name not in names}
        return cls(framing=framing, stats=stats, image=image, other=other, **own)

    @property
    def maps(self) -> dict[str, np.ndarray]:
        """The maps that were computed, by name; what ``from_maps`` takes."""
        own = {name: getattr(self, name) for name in _OWN_MAPS}
        return {**{name: values for name, values in own.items() if values is not None},
                **self.other}

    def map_of(self, task: str) -> np.ndarray | None:
        """Return the map that a task id is scored by, None where it was not computed."""
        name = get_task(task).map
        return self.other[name] if name in self.other else getattr(self, name, None)


def with_derived(
    work: 'FrameWork', sources: Mapping[str, Sequence[str]]
) -> 'FrameWork':
    """
    Return the work of a frame with the tasks without weights added, each with that of its depth.

    ``sources`` are by task the tasks of the network from which it is computed, the depth last.
    """
    derived = {task: work.tasks[made_of[-1]] for task, made_of in sources.items()
               if task not in work.tasks}
    return replace(work, tasks={**work.tasks, **derived}) if derived else work


def frame_stats(
    work: 'FrameWork', grid: tuple[int, int], stage_ms: dict[str, float], total_ms: float, *,
    non_finite: tuple[str, ...], activity: bool, motion: MotionStats | None = None,
) -> FrameStats:
    """
    Return the statistics of a frame of a (rows, columns) grid of patches.

    With ``activity`` they include the maps of what was recomputed.
    """
    tasks = work.tasks
    return FrameStats(
        total_ms=total_ms,
        stage_ms=stage_ms,
        input_fraction=work.entered / work.patch_count,
        refreshed=work.refreshed,
        active={task: item.computed for task, item in tasks.items()},
        reused={task: item.reused for task, item in tasks.items()},
        macs=work.macs,
        dense_macs=work.dense_macs,
        oldest_age={task: item.oldest_age for task, item in tasks.items()},
        reset_reason=work.reset_reason,
        non_finite=non_finite,
        activity={task: work.activity(task).view(grid).numpy() for task in tasks}
        if activity else {},
        motion=motion,
    )
