"""A model on clips: every frame dense and with sharing, against the truth and each other."""

from dataclasses import dataclass, field
from typing import Callable, Iterator, Mapping, Protocol, Sequence

import numpy as np

from mtshare_ros.evaluation.activity_account import ActivityAccount, SharingActivity
from mtshare_ros.evaluation.evaluate import Metrics, Scorer
from mtshare_ros.evaluation.metrics import MetricRules, ROOMS_RULES
from mtshare_ros.evaluation.scoring import camera_of
from mtshare_ros.evaluation.truth import Truth
from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.prediction import InferenceSettings, Prediction
from mtshare_ros.sharing.settings import SharingSettings

DENSE, SHARING = 'dense', 'sharing'
"""The two ways a frame is computed: from nothing but its pixels, or with the clip's memory."""

_ALONE = 'every frame stands for itself'
_NOTHING_SHARED = SharingSettings(temporal=False, task=False)


@dataclass(frozen=True)
class ClipFrame:
    """
    A frame of a clip.

    ``changed`` is the share of its patches that differ from the frame before, seen without noise;
    None for the first one, and where nobody knows.
    """

    truth: Truth
    changed: float | None = None


class EvaluationClip(Protocol):
    """Frames of one camera in the order of time."""

    @property
    def name(self) -> str:
        """What the clip is called in a report."""

    def __len__(self) -> int:
        """How many frames there are."""

    def frames(self, size: tuple[int, int]) -> Iterator[ClipFrame]:
        """Yield the frames at (height, width), one at a time."""


@dataclass(frozen=True)
class SideReport:
    """Figures of one way to compute, and the median milliseconds of a frame."""

    metrics: Metrics
    ms_p50: float


@dataclass(frozen=True)
class ClipReport:
    """
    What came out, ``sides`` being DENSE, SHARING or both.

    ``activity`` is what sharing did, None where it was not asked for. ``frames`` are those of all
    clips together.
    """

    frames: int
    sides: Mapping[str, SideReport]
    activity: SharingActivity | None


@dataclass(frozen=True)
class ClipPlan:
    """
    How clips are evaluated.

    ``sharing`` is what the cached side runs with, None to leave it out; ``delta_blocks`` are the
    numbers of the blocks that differ from the base task's, by sub-task. ``activity`` asks for the
    pictures of what was recomputed.
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
    Compute every frame of every clip in the ways the plan names, one frame after the other.

    The first frame of a clip, and every other that starts anew, counts like the rest. ``observe``
    sees each frame with its predictions by side, ``progress`` the number of frames done. Raises
    DatasetError where there are no frames, or where one has another size than the engine's maps.
    """
    sides = _make_sides(engine, plan)
    account = ActivityAccount(plan.delta_blocks)
    done = 0
    for clip in clips:
        for side in sides.values():
            side.start()
        for frame in clip.frames(engine.input_size):
            found = {name: side.run(frame.truth) for name, side in sides.items()}
            if SHARING in found:
                account.add(found[SHARING].stats, frame.changed)
            done += 1
            if observe is not None:
                observe(frame.truth, found)
            if progress is not None:
                progress(done)
    return ClipReport(done, {name: side.report() for name, side in sides.items()},
                      account.result() if SHARING in sides else None)


def _make_sides(engine: Engine, plan: ClipPlan) -> dict[str, '_Side']:
    def scorer() -> Scorer:
        return Scorer(engine, plan.tasks, plan.rules)

    sides = {}
    if plan.dense:
        settings = InferenceSettings(plan.tasks, _NOTHING_SHARED)
        sides[DENSE] = _Side(engine, settings, scorer(), alone=True)
    if plan.sharing is not None:
        settings = InferenceSettings(plan.tasks, plan.sharing, activity=plan.activity)
        sides[SHARING] = _Side(engine, settings, scorer(), alone=False)
    return sides


class _Side:
    """One way to compute a frame, scored; ``alone``: nothing is kept from frame to frame."""

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
        if self._alone:  # the buffers stay, which a frame without a session would make anew
            self._session.reset(_ALONE)
        prediction = self._engine.infer(
            truth.image, self._session, self._settings, camera_of(truth))
        self._milliseconds.append(prediction.stats.total_ms)
        self._scorer.add(prediction, truth)
        return prediction

    def report(self) -> SideReport:
        metrics = self._scorer.figures()
        return SideReport(metrics, float(np.median(self._milliseconds)))
