"""Evaluate a model on clips: dense frames and frames with sharing, against the truth."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Callable, Iterator, Mapping, Protocol, Sequence

import numpy as np
import torch

from mtshare_ros.evaluation.metrics import MetricRules, ROOMS_RULES
from mtshare_ros.evaluation.scorer import Metrics, Scorer
from mtshare_ros.evaluation.truth_and_rules import camera_of, Truth
from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.prediction import FrameStats, InferenceSettings, Prediction
from mtshare_ros.model.backbone import Block
from mtshare_ros.model.network import MultiTaskNetwork
from mtshare_ros.sharing.sharing_settings import SharingSettings


@dataclass(frozen=True)
class SharingActivity:
    """
    How much sharing computed in the frames of clips; shares are 0 to 1, None without any frames.

    ``reused``: tokens of sub-tasks that reused the base task's update, of those reused or
    computed, in the blocks above the shared ones whose weights differ from the base task's; summed
    over blocks and all frames. ``gated``: of the tokens that were not due for a refresh, the share
    that a block processed because the temporal gates let them through; mean over tasks, blocks and
    the frames that are not whole. Tokens are refreshed in turn, whether they changed or not, so
    the others are a fair sample. ``changed``: share of patches that differ from the frame before
    in a clip without noise, mean over the frames that ``gated`` counts. ``active_fraction``:
    tokens computed, mean over tasks, blocks and frames; ``macs_share``: multiply-accumulates, of
    those of dense frames. ``resets`` is the number of whole frames by the reason for them.
    """

    reused: float | None
    reused_by_task: dict[str, float | None]
    gated: float | None
    gated_by_task: dict[str, float | None]
    changed: float | None
    active_fraction: float | None
    macs_share: float | None
    resets: dict[str, int]

    @property
    def gated_to_changed(self) -> float | None:
        """Share of tokens that passed the gates, divided by that of patches that changed."""
        return self.gated / self.changed if self.gated is not None and self.changed else None


class ActivityAccount:
    """Sums up what sharing computed; ``delta_blocks`` is from the function of that name."""

    def __init__(self, delta_blocks: Mapping[str, Sequence[int]]) -> None:
        self._delta_blocks = dict(delta_blocks)
        self._taken = dict.fromkeys(delta_blocks, 0.0)
        self._processed = dict.fromkeys(delta_blocks, 0.0)
        self._gated: dict[str, list[float]] = {}
        self._changed: list[float] = []
        self._active: list[float] = []
        self._macs = self._dense_macs = 0
        self._resets: Counter[str] = Counter()

    def add(self, stats: FrameStats, changed: float | None = None) -> None:
        """Add a frame; ``changed`` is the share of its patches that changed, None if unknown."""
        self._active.append(stats.active_fraction)
        self._macs += stats.macs
        self._dense_macs += stats.dense_macs
        self._add_taken(stats)
        if stats.reset_reason:
            self._resets[stats.reset_reason] += 1
        elif stats.refreshed < 1:
            self._add_gated(stats)
            if changed is not None:
                self._changed.append(changed)

    def result(self) -> SharingActivity:
        """Return the activity over all frames so far."""
        gated = {task: _mean(shares) for task, shares in self._gated.items()}
        every = [share for share in gated.values() if share is not None]
        return SharingActivity(
            reused=_ratio(sum(self._taken.values()), sum(self._processed.values())),
            reused_by_task={task: _ratio(self._taken[task], self._processed[task])
                                for task in self._delta_blocks},
            gated=_mean(every), gated_by_task=gated, changed=_mean(self._changed),
            active_fraction=_mean(self._active), macs_share=_ratio(self._macs, self._dense_macs),
            resets=dict(self._resets))

    def _add_taken(self, stats: FrameStats) -> None:
        for task, blocks in self._delta_blocks.items():
            for block in blocks if task in stats.active else ():
                taken = stats.reused[task][block]
                self._taken[task] += taken
                self._processed[task] += taken + stats.active[task][block]

    def _add_gated(self, stats: FrameStats) -> None:
        for task, computed in stats.active.items():
            processed = np.add(computed, stats.reused[task])
            share = (processed - stats.refreshed) / (1 - stats.refreshed)
            self._gated.setdefault(task, []).append(float(share.mean()))


def delta_blocks(network: MultiTaskNetwork) -> dict[str, tuple[int, ...]]:
    """Return by sub-task the numbers of the blocks whose weights differ from the base task's."""
    base = network.own_blocks(network.base_task)
    return {
        task: tuple(number for number, (own, other) in enumerate(
            zip(network.own_blocks(task), base), network.config.shared_depth)
            if _differ(own, other))
        for task in network.branches
    }


def _differ(first: Block, second: Block) -> bool:
    return any(not torch.equal(own, other)
               for own, other in zip(first.parameters(), second.parameters()))


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


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
