"""Evaluate a model on clips: dense frames and frames with sharing, against the truth."""

from dataclasses import dataclass, field
from typing import Callable, Iterator, Mapping, Protocol, Sequence

import numpy as np

from mtshare_ros.evaluation.activity import ActivityAccount, SharingActivity
from mtshare_ros.evaluation.metrics import MetricRules, ROOMS_RULES
from mtshare_ros.evaluation.scorer import Metrics, Scorer
from mtshare_ros.evaluation.truth_and_rules import bring_to_scale, camera_of, Truth
from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.prediction import InferenceSettings, Prediction
from mtshare_ros.sharing.sharing_settings import SharingSettings

DENSE, SHARING = 'dense', 'sharing'
"""The modes: a frame from its pixels alone, or with what is kept of earlier frames."""

_ALONE = 'every frame is evaluated alone'
_NOTHING_SHARED = SharingSettings(temporal=False, task=False)


@dataclass(frozen=True)
class ClipFrame:
    """
    A frame of a clip.

    ``changed`` is the share of its patches that differ from the frame before where both are
    rendered without noise; None for the first frame, and where it is unknown.
    """

    truth: Truth
    changed: float | None = None


class EvaluationClip(Protocol):
    """Consecutive frames of one camera."""

    @property
    def name(self) -> str:
        """The name of the clip in reports."""

    def __len__(self) -> int:
        """Return the number of frames."""

    def frames(self, size: tuple[int, int]) -> Iterator[ClipFrame]:
        """Yield the frames at (height, width), one at a time."""


@dataclass(frozen=True)
class ModeReport:
    """The metrics of one mode, and the median time of a frame in milliseconds."""

    metrics: Metrics
    ms_p50: float


@dataclass(frozen=True)
class ClipReport:
    """
    The results of an evaluation by mode: DENSE, SHARING or both.

    ``activity`` is what sharing computed, None without the mode SHARING. ``frames`` is the number
    of frames of all clips together.
    """

    frames: int
    modes: Mapping[str, ModeReport]
    activity: SharingActivity | None


@dataclass(frozen=True)
class ClipPlan:
    """
    What is evaluated on clips, and how.

    ``dense`` includes the mode DENSE. ``sharing`` are the settings of the mode SHARING, None
    leaves that out. ``delta_blocks`` are the numbers of the blocks that differ from the base
    task's, by sub-task. ``activity`` adds to each prediction the maps of what was computed.
    """

    tasks: tuple[str, ...]
    dense: bool = True
    sharing: SharingSettings | None = field(default_factory=SharingSettings)
    delta_blocks: Mapping[str, Sequence[int]] = field(default_factory=dict)
    rules: MetricRules = ROOMS_RULES
    activity: bool = False

    @property
    def modes(self) -> tuple[str, ...]:
        """The modes that are computed."""
        return (DENSE,) * self.dense + (SHARING,) * (self.sharing is not None)


Observe = Callable[[int, Truth, Mapping[str, Prediction]], None]
"""Called with the number of a frame, counted over all clips, and its predictions by mode."""


def evaluate_clips(
    engine: Engine,
    clips: Sequence[EvaluationClip],
    plan: ClipPlan,
    *,
    observe: Observe | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> ClipReport:
    """
    Compute and score every frame of every clip in the modes that the plan includes.

    The first frame of a clip, and every other whole frame, counts like the rest. ``observe`` is
    called with each frame, ``progress`` with the number of frames done. Raises DatasetError where
    there are no frames, or where one has another size than the engine's maps.
    """
    scored = ScoredFrames.none(engine, plan)
    for clip in clips:
        scored.merge(evaluate_clip(engine, clip, plan, first=scored.frames, observe=observe,
                                   progress=progress))
    return scored.report()


def evaluate_clip(
    engine: Engine,
    clip: EvaluationClip,
    plan: ClipPlan,
    *,
    first: int = 0,
    observe: Observe | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> 'ScoredFrames':
    """
    Compute and score the frames of one clip; ``first`` is the number of frames before it.

    The other arguments and the errors are those of ``evaluate_clips``.
    """
    scored = ScoredFrames.none(engine, plan, first)
    modes = _make_modes(engine, plan)
    for frame in clip.frames(engine.input_size):
        found = {name: mode.run(frame.truth) for name, mode in modes.items()}
        scored.add(frame, found)
        if observe is not None:
            observe(first + scored.frames - 1, frame.truth, found)
        progress(first + scored.frames)
    return scored


class ScoredFrames:
    """
    Frames that were computed and scored, by mode.

    Those of the clips merge, in the order of the clips, to the same bits as if all frames had been
    scored one after another; so each clip may be computed in a process of its own.
    """

    def __init__(self, scorers: Mapping[str, Scorer], account: ActivityAccount | None) -> None:
        self._scorers = dict(scorers)
        self._account = account
        self._milliseconds: dict[str, list[float]] = {name: [] for name in scorers}
        self.frames = 0

    @classmethod
    def none(cls, engine: Engine, plan: ClipPlan, first: int = 0) -> 'ScoredFrames':
        """Return no frames yet; ``first`` is the number of the first one, for errors."""
        scorers = {name: Scorer(plan.tasks, len(engine.labels), plan.rules, first)
                   for name in plan.modes}
        return cls(scorers, ActivityAccount(plan.delta_blocks) if SHARING in scorers else None)

    def add(self, frame: ClipFrame, found: Mapping[str, Prediction]) -> None:
        """Score a frame; ``found`` are its predictions by mode, with depth in metres."""
        for name, prediction in found.items():
            self._scorers[name].add(prediction, frame.truth)
            self._milliseconds[name].append(prediction.stats.total_ms)
        if self._account is not None:
            self._account.add(found[SHARING].stats, frame.changed)
        self.frames += 1

    def merge(self, other: 'ScoredFrames') -> None:
        """Add frames that follow these."""
        for name, scorer in other._scorers.items():
            self._scorers[name].merge(scorer)
            self._milliseconds[name] += other._milliseconds[name]
        if self._account is not None and other._account is not None:
            self._account.merge(other._account)
        self.frames += other.frames

    def report(self) -> ClipReport:
        """Return the results; raise DatasetError without any frames."""
        modes = {name: ModeReport(scorer.metrics(), float(np.median(self._milliseconds[name])))
                 for name, scorer in self._scorers.items()}
        activity = None if self._account is None else self._account.result()
        return ClipReport(self.frames, modes, activity)


def _make_modes(engine: Engine, plan: ClipPlan) -> dict[str, '_Mode']:
    modes = {}
    if plan.dense:
        modes[DENSE] = _Mode(engine, InferenceSettings(plan.tasks, _NOTHING_SHARED), alone=True)
    if plan.sharing is not None:
        settings = InferenceSettings(plan.tasks, plan.sharing, activity=plan.activity)
        modes[SHARING] = _Mode(engine, settings, alone=False)
    return modes


class _Mode:
    """Computes the frames of a clip in one mode; ``alone`` keeps nothing from frame to frame."""

    def __init__(self, engine: Engine, settings: InferenceSettings, *, alone: bool) -> None:
        self._engine, self._settings = engine, settings
        self._alone = alone
        self._session = engine.new_session()

    def run(self, truth: Truth) -> Prediction:
        """Compute a frame, its depth in metres of the camera that took it."""
        if self._alone:  # a reset session keeps its buffers; no session would allocate them anew
            self._session.reset(_ALONE)
        prediction = self._engine.infer(
            truth.image, self._session, self._settings, camera_of(truth))
        bring_to_scale(self._engine, prediction, truth)
        return prediction
