"""The engine against dense networks and carried maps: everything timed on the same frames."""

from dataclasses import asdict, dataclass, replace
from typing import Any, Callable, Iterator, Mapping, Sequence

from mtshare_ros.benchmark.carried_side import CARRIED_SIDES
from mtshare_ros.benchmark.dense_forms import Report
from mtshare_ros.benchmark.dense_sides import DENSE_SIDES, DensePieces
from mtshare_ros.benchmark.engine_side import make_engine_side
from mtshare_ros.benchmark.equal import equal_period, TRIAL_FRAMES, TRIAL_PERIOD
from mtshare_ros.benchmark.hold import hold, hold_period
from mtshare_ros.benchmark.model import BenchModel
from mtshare_ros.benchmark.report import make_reports, SideReport, SideSource
from mtshare_ros.benchmark.run import Race, Runner, RunOptions
from mtshare_ros.benchmark.runners import SideMaker
from mtshare_ros.benchmark.settings import BenchSettings, EVERY_SIDE, REFERENCE, RIVAL
from mtshare_ros.benchmark.streams import film, look_at, StreamFacts, StreamPlan
from mtshare_ros.benchmark.timing import Times
from mtshare_ros.data.rooms.frame import RoomFrame
from mtshare_ros.inference.engine import Engine

SCORE_EVERY_PIXELS = 200_000
"""Frames of more pixels are scored every second time only."""


@dataclass(frozen=True)
class MotionReport:
    """
    The sides' reports on one stream, and what that is like.

    ``cache_bytes`` are those of one camera's session by owner.
    """

    sides: dict[str, SideReport]
    cache_bytes: dict[str, int]
    stream: StreamFacts | None = None


class Comparison:
    """
    Prepares every side once, then runs them against each other, motion by motion.

    ``shared`` is a model whose tasks share the whole encoder, with its engine. ``report`` gets a
    sentence now and then while the dense sides are being prepared.
    """

    def __init__(
        self, engine: Engine, model: BenchModel, settings: BenchSettings,
        report: Report | None = None, shared: tuple[Engine, BenchModel] | None = None,
    ) -> None:
        self.engine, self.settings = engine, settings
        self._maker = SideMaker(engine, model, settings, shared, report)

    @property
    def pieces(self) -> DensePieces | None:
        """The forms of the dense sides, None without such sides."""
        return self._maker.pieces

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
        periods = self._periods(plan)
        runners = self._maker.runners(plan, self.settings.sides, periods)
        race = self._race(list(runners.values()), options)
        race.run(film(plan), progress,
                 film(replace(plan, noise=0.0)) if self.settings.clean else None)
        sources = {name: SideSource(runner.record, runner.side.form, runner.every,
                                    periods.get(name), shares=name not in DENSE_SIDES)
                   for name, runner in runners.items()}
        if {'hold', 'combined'} <= set(self.settings.sides):
            sources['hold'] = self._hold(race, runners, plan, options)
        trained = self._maker.model.trained
        reports = make_reports(sources, same_as={'dense': REFERENCE} if trained else {})
        wanted = {name: reports[name] for name in EVERY_SIDE if name in reports}
        return MotionReport(wanted, _cache_bytes(runners), look_at(plan))

    def _periods(self, plan: StreamPlan) -> dict[str, int]:
        """Return how often the network of each carried side computes, from a trial if need be."""
        carried = [name for name in CARRIED_SIDES if name in self.settings.sides]
        fixed = dict.fromkeys(carried, self.settings.nth or TRIAL_PERIOD)
        if self.settings.nth or not carried:
            return fixed
        trial = replace(plan, frames=TRIAL_FRAMES)
        runners = self._maker.runners(trial, (RIVAL, *carried), fixed)
        Race(list(runners.values()), self._options()).run(film(trial))
        rival = runners[RIVAL].record
        return {name: equal_period(runners[name].record, rival)
                for name in carried if name in runners}

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

    def _hold(
        self, race: Race, runners: Mapping[str, Runner], plan: StreamPlan, options: RunOptions
    ) -> SideSource:
        dense, combined = (Times.of(runners[name].record.milliseconds)
                           for name in (REFERENCE, 'combined'))
        # every dense frame costs the same: an interruption would only make hold look cheap
        period = hold_period(dense.p50, combined.mean)
        record = self._maker.record(self.settings.tasks)
        model = self._maker.model
        again: Iterator[Sequence[RoomFrame]] | None = film(plan) if model.trained else None
        shape = model.checkpoint.network.config
        encodings = {task: shape.head_of(task).encoding for task in self.settings.tasks}
        hold(race.log, period, record, options, again, encodings)
        return SideSource(record, f'{REFERENCE}, every {period}. frame', period=period)


def _cache_bytes(runners: Mapping[str, Runner]) -> dict[str, int]:
    """Return the bytes of a camera that the fullest of the asked sides keeps, by owner."""
    name = next(name for name in ('moving_fused', 'combined', REFERENCE) if name in runners)
    return runners[name].side.session.nbytes()  # type: ignore[attr-defined]
