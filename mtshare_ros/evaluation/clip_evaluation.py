"""Evaluate a model on clips: dense frames and frames with sharing, against the truth."""

from dataclasses import dataclass, field
from typing import Callable, Iterator, Mapping, Protocol, Sequence

import numpy as np

from mtshare_ros.evaluation.activity import ActivityAccount, SharingActivity
from mtshare_ros.evaluation.metrics import MetricRules, ROOMS_RULES
from mtshare_ros.evaluation.scorer import Metrics, Scorer
from mtshare_ros.evaluation.truth_and_rules import camera_of, Truth
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


def evaluate_clips(
    engine: Engine,
    clips: Sequence[EvaluationClip],
    plan: ClipPlan,
    *,
    observe: Callable[[Truth, Mapping[str, Prediction]], None] | None = None,
    progress: Callable[[int], None] | None = None,
) -> ClipReport:
    """
    Compute and score every frame of every clip in the modes that the plan includes.

    The first frame of a clip, and every other whole frame, counts like the rest. ``observe`` is
    called with each frame and its predictions by mode, ``progress`` with the number of frames
    done. Raises DatasetError where there are no frames, or where one has another size than the
    engine's maps.
    """
    modes = _make_modes(engine, plan)
    account = ActivityAccount(plan.delta_blocks)
    done = 0
    for clip in clips:
        for mode in modes.values():
            mode.start()
        for frame in clip.frames(engine.input_size):
            found = {name: mode.run(frame.truth) for name, mode in modes.items()}
            if SHARING in found:
                account.add(found[SHARING].stats, frame.changed)
            done += 1
            if observe is not None:
                observe(frame.truth, found)
            if progress is not None:
                progress(done)
    return ClipReport(done, {name: mode.report() for name, mode in modes.items()},
                      account.result() if SHARING in modes else None)


def _make_modes(engine: Engine, plan: ClipPlan) -> dict[str, '_Mode']:
    def scorer() -> Scorer:
        return Scorer(engine, plan.tasks, plan.rules)

    modes = {}
    if plan.dense:
        settings = InferenceSettings(plan.tasks, _NOTHING_SHARED)
        modes[DENSE] = _Mode(engine, settings, scorer(), alone=True)
    if plan.sharing is not None:
        settings = InferenceSettings(plan.tasks, plan.sharing, activity=plan.activity)
        modes[SHARING] = _Mode(engine, settings, scorer(), alone=False)
    return modes


class _Mode:
    """Computes and scores frames in one mode; ``alone`` keeps nothing from frame to frame."""

    def __init__(
        self, engine: Engine, settings: InferenceSettings, scorer: Scorer, *, alone: bool
    ) -> None:
        self._engine, self._settings, self._scorer = engine, settings, scorer
        self._alone = alone
        self._session = engine.new_session()
        self._milliseconds: list[float] = []

    def start(self) -> None:
        """Begin a clip."""
        self._session = self._engine.new_session()

    def run(self, truth: Truth) -> Prediction:
        """Compute and score a frame."""
        if self._alone:  # a reset session keeps its buffers; no session would allocate them anew
            self._session.reset(_ALONE)
        prediction = self._engine.infer(
            truth.image, self._session, self._settings, camera_of(truth))
        self._milliseconds.append(prediction.stats.total_ms)
        self._scorer.add(prediction, truth)
        return prediction

    def report(self) -> ModeReport:
        metrics = self._scorer.metrics()
        return ModeReport(metrics, float(np.median(self._milliseconds)))
