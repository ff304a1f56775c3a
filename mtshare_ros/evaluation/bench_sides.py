"""The whole comparison: all sides in one run, for each motion of the camera."""

from dataclasses import asdict, dataclass, field, replace
from typing import Any, Callable, Iterator, Mapping, Sequence

from mtshare_ros.config import require
from mtshare_ros.evaluation.bench_hold import hold, hold_period
from mtshare_ros.evaluation.bench_model import BenchModel
from mtshare_ros.evaluation.bench_record import new_record, SideRecord
from mtshare_ros.evaluation.bench_report import make_reports, SideReport, SideSource
from mtshare_ros.evaluation.bench_run import Race, Runner, RunOptions
from mtshare_ros.evaluation.bench_streams import film, StreamPlan
from mtshare_ros.evaluation.benchmark import Times
from mtshare_ros.evaluation.dense_forms import FormChooser, Report
from mtshare_ros.evaluation.dense_sides import (
    build_pieces,
    DENSE_SIDES,
    DensePieces,
    make_dense_side,
)
from mtshare_ros.evaluation.engine_side import ENGINE_SIDES, make_engine_side
from mtshare_ros.evaluation.truth import Truth
from mtshare_ros.inference.engine import Engine
from mtshare_ros.model.framing import frame_to_cover
from mtshare_ros.sharing.settings import SharingSettings

SIDES = (*DENSE_SIDES, *ENGINE_SIDES, 'hold')
REFERENCE = 'prefix'
"""The side that computes the model's dense outputs in every frame: exact, and the cheapest."""

SCORE_EVERY_PIXELS = 200_000
"""Frames of more pixels are scored every second time only."""


@dataclass(frozen=True)
class BenchSettings:
    """
    What is compared, and on what.

    ``frames`` count by motion. The sides whose cost does not depend on the frame, and that are the
    costliest, run on every ``dense_every``-th frame. ``noise`` multiplies the camera's; ``clean``
    asks for the difference to the dense outputs of frames without any.
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

    def __post_init__(self) -> None:
        """Raise ConfigError for an unknown side."""
        for side in self.sides:
            require(side in SIDES, 'sides', side, f'any of {", ".join(SIDES)}')


@dataclass(frozen=True)
class MotionReport:
    """The sides' reports on one stream, and the session's bytes of one camera by owner."""

    sides: dict[str, SideReport]
    cache_bytes: dict[str, int]


class Comparison:
    """
    Prepares every side once, then runs them against each other, motion by motion.

    ``report`` gets a sentence now and then while the dense sides are being prepared.
    """

    def __init__(
        self, engine: Engine, model: BenchModel, settings: BenchSettings,
        report: Report | None = None,
    ) -> None:
        self.engine, self.settings = engine, settings
        self._network, self._trained = model.checkpoint.network, model.trained
        chooser = FormChooser(engine.device, compiling=settings.compiling, report=report)
        self._dense = tuple(name for name in DENSE_SIDES if name in settings.sides)
        self.pieces: DensePieces | None = None
        if self._dense:
            size = engine.input_size
            self.pieces = build_pieces(
                self._network, settings.tasks, size, device=engine.device, dtype=engine.dtype,
                chooser=chooser, camera=engine.assumed_camera(frame_to_cover(size, size)))

    def values(self) -> dict[str, Any]:
        """Return the settings as plain values, with the forms the dense sides were tried in."""
        pieces = self.pieces
        return {**asdict(self.settings), 'score_every': self._options().score_every,
                'dense_forms_ms': {} if pieces is None else pieces.trials,
                'notices': [] if pieces is None else list(pieces.notices)}

    def plan(self, motion: str) -> StreamPlan:
        """Return what is filmed for a motion."""
        settings = self.settings
        return StreamPlan(motion, settings.frames, settings.warm_up, self.engine.input_size,
                          settings.noise)

    def run(self, motion: str, progress: Callable[[int], None] | None = None) -> MotionReport:
        """Run all sides on one stream; ``progress`` gets the number of frames done."""
        plan, options = self.plan(motion), self._options()
        runners = self._runners()
        race = self._race(list(runners.values()), options)
        race.run(film(plan), progress,
                 film(replace(plan, noise=0.0)) if self.settings.clean else None)
        sources = {name: SideSource(runner.record, runner.side.form, runner.every,
                                    shares=name in ENGINE_SIDES)
                   for name, runner in runners.items()}
        if {'hold', 'combined'} <= set(self.settings.sides):
            sources['hold'] = self._hold(race, runners, plan, options)
        reports = make_reports(sources, same_as={'dense': REFERENCE} if self._trained else {})
        wanted = {name: reports[name] for name in SIDES if name in reports}
        return MotionReport(wanted, self._cache_bytes(runners))

    def _race(self, runners: Sequence[Runner], options: RunOptions) -> Race:
        clean = None
        if self.settings.clean:
            clean = make_engine_side(REFERENCE, self.engine, self.settings.tasks,
                                     self.settings.sharing)
        return Race(runners, options, clean)

    def _options(self) -> RunOptions:
        height, width = self.engine.input_size
        return RunOptions(self.engine.device, self.settings.warm_up,
                          2 if height * width > SCORE_EVERY_PIXELS else 1)

    def _runners(self) -> dict[str, Runner]:
        """Return the reference and the asked sides, the reference first."""
        tasks, sides = self.settings.tasks, self.settings.sides
        found: dict[str, Runner] = {}
        for name in (REFERENCE, *ENGINE_SIDES):
            if name == REFERENCE or name in sides:
                side = make_engine_side(name, self.engine, tasks, self.settings.sharing)
                found[name] = Runner(side, self._record(tasks), compared=name != REFERENCE)
        if self.pieces is not None:
            found.update({name: self._dense_runner(name, self.pieces) for name in self._dense})
        return found

    def _dense_runner(self, name: str, pieces: DensePieces) -> Runner:
        tasks = self.settings.tasks if name != 'single' else self.settings.tasks[:1]
        side = make_dense_side(name, self._network, self.settings.tasks, pieces)
        costly = name in ('independent', 'dense')
        record = self._record(tasks, scored=not costly)
        every = min(self.settings.dense_every, self.settings.frames)
        return Runner(side, record, every if costly else 1,
                      compared=name != 'independent')

    def _record(self, tasks: Sequence[str], *, scored: bool = True) -> SideRecord:
        return new_record(self.engine, tasks, scored=scored and self._trained)

    def _hold(
        self, race: Race, runners: Mapping[str, Runner], plan: StreamPlan, options: RunOptions
    ) -> SideSource:
        dense, combined = (Times.of(runners[name].record.milliseconds)
                           for name in (REFERENCE, 'combined'))
        # every dense frame costs the same: an interruption would only make hold look cheap
        period = hold_period(dense.p50, combined.mean)
        record = self._record(self.settings.tasks)
        again: Iterator[Sequence[Truth]] | None = film(plan) if self._trained else None
        shape = self._network.config
        encodings = {task: shape.head_of(task).encoding for task in self.settings.tasks}
        hold(race.log, period, record, options, again, encodings)
        return SideSource(record, f'{REFERENCE}, every {period}. frame', period=period)

    def _cache_bytes(self, runners: Mapping[str, Runner]) -> dict[str, int]:
        side = runners.get('combined', runners[REFERENCE]).side
        return side.session.nbytes()  # type: ignore[attr-defined]
