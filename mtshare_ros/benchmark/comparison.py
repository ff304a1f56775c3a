"""The comparison of the benchmark: every contender is built once and timed on the same frames."""

from dataclasses import asdict, dataclass, replace
from typing import Any, Callable, Mapping, Sequence

import numpy as np

from mtshare_ros.benchmark.bench_model import BenchModel
from mtshare_ros.benchmark.bench_plan import (
    BenchSettings,
    COST_BASELINE,
    EVERY_CONTENDER,
    look_at,
    REFERENCE,
    render_stream,
    StreamFacts,
    StreamPlan,
)
from mtshare_ros.benchmark.bench_report import (
    ContenderReport,
    ContenderSource,
    equal_period,
    hold,
    hold_period,
    make_reports,
    TRIAL_FRAMES,
    TRIAL_PERIOD,
)
from mtshare_ros.benchmark.contenders import (
    CARRIED_CONTENDERS,
    CarriedContender,
    DenseNetwork,
    ENGINE_CONTENDERS,
    make_engine_contender,
    MOTION_CONTENDERS,
    View,
)
from mtshare_ros.benchmark.dense_contenders import (
    build_pieces,
    DENSE_CONTENDERS,
    DensePieces,
    make_dense_contender,
)
from mtshare_ros.benchmark.dense_forms import FormChooser, Report
from mtshare_ros.benchmark.race import ContenderRecord, new_record, Race, Runner, RunOptions
from mtshare_ros.benchmark.timing import Times
from mtshare_ros.image_frame import frame_to_cover
from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.prediction import InferenceSettings

_COSTLY = ('independent', 'dense')
_SHARED_ENCODER = 'shared_encoder'


@dataclass(frozen=True)
class SharedEncoder:
    """A model in which all tasks share the whole encoder, with its engine and its dense pieces."""

    engine: Engine
    model: BenchModel
    pieces: DensePieces


class ContenderMaker:
    """
    Builds the contenders of a comparison.

    ``shared`` is the model in which all tasks share the whole encoder, with an engine of the same
    size; None leaves out the contenders that run it. ``report`` is called with a line of text for
    every trial and compilation, which take long.
    """

    def __init__(
        self, engine: Engine, model: BenchModel, settings: BenchSettings,
        shared: tuple[Engine, BenchModel] | None = None, report: Report | None = None,
    ) -> None:
        self.engine, self.model, self.settings = engine, model, settings
        self._chooser = FormChooser(engine.device, compiling=settings.compiling, report=report)
        self._dense = tuple(name for name in DENSE_CONTENDERS if name in settings.contenders)
        self.pieces = self._build(engine, model) if self._dense else None
        self._shared: SharedEncoder | None = None
        if shared is not None and settings.carries_shared_encoder:
            self._shared = SharedEncoder(*shared, self._build(*shared))

    def runners(
        self, plan: StreamPlan, contenders: Sequence[str], periods: Mapping[str, int]
    ) -> dict[str, Runner]:
        """
        Return the runners of the reference and of ``contenders`` by name, the reference first.

        A contender whose network was not built is left out.

        ``periods``, by carried contender: frames from one that the network computes to the next.
        """
        found = {REFERENCE: self._engine_runner(REFERENCE, plan)}
        for name in (*ENGINE_CONTENDERS, *MOTION_CONTENDERS):
            if name in contenders and name != REFERENCE:
                found[name] = self._engine_runner(name, plan)
        if self.pieces is not None:
            found.update({name: self._dense_runner(name, self.pieces)
                          for name in self._dense if name in contenders})
        for name in CARRIED_CONTENDERS:
            network = self._network_of(name) if name in contenders else None
            if network is not None:
                found[name] = self._carried_runner(name, network, plan, periods[name])
        return found

    def record(self, tasks: Sequence[str], *, scored: bool = True) -> ContenderRecord:
        """Return an empty record; maps of an untrained model are not scored."""
        return new_record(self.engine, tasks, scored=scored and self.model.trained)

    def _build(self, engine: Engine, model: BenchModel) -> DensePieces:
        size = engine.input_size
        return build_pieces(
            model.checkpoint.network, self.settings.tasks, size, device=engine.device,
            dtype=engine.dtype, chooser=self._chooser,
            camera=engine.assumed_camera(frame_to_cover(size, size)))

    def _engine_runner(self, name: str, plan: StreamPlan) -> Runner:
        tasks, sharing = self.settings.tasks, self.settings.sharing
        moves = name in MOTION_CONTENDERS
        contender = make_engine_contender(
            name, self.engine, tasks, sharing, plan.pinhole if moves else None)
        return Runner(contender, self.record(tasks), compared=name != REFERENCE and not moves)

    def _dense_runner(self, name: str, pieces: DensePieces) -> Runner:
        tasks = self.settings.tasks if name != 'single' else self.settings.tasks[:1]
        contender = make_dense_contender(
            name, self.model.checkpoint.network, self.settings.tasks, pieces)
        costly = name in _COSTLY
        record = self.record(tasks, scored=not costly)
        every = min(self.settings.dense_every, self.settings.frames)
        # a dense contender keeps nothing between frames, so it can compute a frame twice
        return Runner(contender, record, every if costly else 1, compared=name != 'independent',
                      warm=contender.run if costly else None)

    def _network_of(self, name: str) -> DenseNetwork | None:
        """Return the network whose maps a contender carries, None where there is none."""
        tasks = self.settings.tasks
        counted = _macs_of(self.engine, tasks)
        if name.startswith('dense_nth'):
            alone = InferenceSettings(tasks)
            return DenseNetwork(lambda frame: self.engine.infer(frame, None, alone),
                                'the engine, each frame by itself', counted, counted)
        if self._shared is None:
            return None
        model = self._shared.model
        other = make_dense_contender(
            _SHARED_ENCODER, model.checkpoint.network, tasks, self._shared.pieces)
        return DenseNetwork(other.run, f'{model.name}, {other.form}',
                            _macs_of(self._shared.engine, tasks), counted)

    def _carried_runner(
        self, name: str, network: DenseNetwork, plan: StreamPlan, period: int
    ) -> Runner:
        shared = self._shared if name.startswith(_SHARED_ENCODER) else None
        engine = self.engine if shared is None else shared.engine
        patch = engine.description.architecture.patch_size
        view = View(plan.size, plan.pinhole, patch, self.engine.device)
        contender = CarriedContender(
            name, network, view, nth=period, fused=name.endswith('_fused'))
        record = new_record(engine, self.settings.tasks, scored=self.model.trained)
        return Runner(contender, record, compared=False, warm=network.compute)


def _macs_of(engine: Engine, tasks: tuple[str, ...]) -> int:
    """Return the multiply-accumulates of a dense frame."""
    blank = np.zeros((*engine.input_size, 3), np.uint8)
    return engine.infer(blank, None, InferenceSettings(tasks)).stats.macs


SCORE_EVERY_PIXELS = 200_000
"""Frames of more pixels than this are scored every second time only, because scoring is slow."""


@dataclass(frozen=True)
class MotionReport:
    """
    The reports of the contenders on one stream, and how much the stream changes.

    ``cache_bytes`` is the memory of one camera's session in bytes, by the name of its part.
    """

    contenders: dict[str, ContenderReport]
    cache_bytes: dict[str, int]
    stream: StreamFacts | None = None


class Comparison:
    """
    Builds every contender once, then runs them against each other, motion by motion.

    ``shared`` is a model in which all tasks share the whole encoder, with its engine. ``report``
    is called with lines of text while the dense contenders are built, which takes long.
    """

    def __init__(
        self, engine: Engine, model: BenchModel, settings: BenchSettings,
        report: Report | None = None, shared: tuple[Engine, BenchModel] | None = None,
    ) -> None:
        self.engine, self.settings = engine, settings
        self._maker = ContenderMaker(engine, model, settings, shared, report)

    @property
    def pieces(self) -> DensePieces | None:
        """The pieces of the dense contenders, None where there are no such contenders."""
        return self._maker.pieces

    def values(self) -> dict[str, Any]:
        """Return the settings as plain values, with the times of all forms that were tried."""
        pieces = self.pieces
        return {**asdict(self.settings), 'score_every': self._options().score_every,
                'dense_forms_ms': {} if pieces is None else pieces.trials,
                'notices': [] if pieces is None else list(pieces.notices)}

    def plan(self, motion: str) -> StreamPlan:
        """Return the rooms and frames that are rendered for a motion."""
        settings = self.settings
        return StreamPlan(motion, settings.frames, settings.warm_up, self.engine.input_size,
                          settings.noise)

    def run(self, motion: str, progress: Callable[[int], None] | None = None) -> MotionReport:
        """Run all contenders on one stream; ``progress`` is given the number of frames done."""
        plan, options = self.plan(motion), self._options()
        periods = self._periods(plan)
        runners = self._maker.runners(plan, self.settings.contenders, periods)
        race = self._race(list(runners.values()), options)
        race.run(render_stream(plan), progress,
                 render_stream(replace(plan, noise=0.0)) if self.settings.clean else None)
        sources = {name: ContenderSource(runner.record, runner.contender.form, runner.every,
                                    periods.get(name), shares=name not in DENSE_CONTENDERS)
                   for name, runner in runners.items()}
        if {'hold', 'combined'} <= set(self.settings.contenders):
            sources['hold'] = self._hold(race, runners, plan, options)
        trained = self._maker.model.trained
        reports = make_reports(sources, same_as={'dense': REFERENCE} if trained else {})
        wanted = {name: reports[name] for name in EVERY_CONTENDER if name in reports}
        return MotionReport(wanted, _cache_bytes(runners), look_at(plan))

    def _periods(self, plan: StreamPlan) -> dict[str, int]:
        """Return the period of each carried contender; ``nth`` 0 measures it in a trial run."""
        carried = [name for name in CARRIED_CONTENDERS if name in self.settings.contenders]
        fixed = dict.fromkeys(carried, self.settings.nth or TRIAL_PERIOD)
        if self.settings.nth or not carried:
            return fixed
        trial = replace(plan, frames=TRIAL_FRAMES)
        runners = self._maker.runners(trial, (COST_BASELINE, *carried), fixed)
        Race(list(runners.values()), self._options()).run(render_stream(trial))
        baseline = runners[COST_BASELINE].record
        return {name: equal_period(runners[name].record, baseline)
                for name in carried if name in runners}

    def _race(self, runners: Sequence[Runner], options: RunOptions) -> Race:
        clean = None
        if self.settings.clean:
            clean = make_engine_contender(REFERENCE, self.engine, self.settings.tasks,
                                     self.settings.sharing)
        return Race(runners, options, clean)

    def _options(self) -> RunOptions:
        height, width = self.engine.input_size
        return RunOptions(self.engine.device, self.settings.warm_up,
                          2 if height * width > SCORE_EVERY_PIXELS else 1)

    def _hold(
        self, race: Race, runners: Mapping[str, Runner], plan: StreamPlan, options: RunOptions
    ) -> ContenderSource:
        dense, combined = (Times.of(runners[name].record.milliseconds)
                           for name in (REFERENCE, 'combined'))
        # the median, because all dense frames cost the same: the mean of a disturbed run would be
        # higher and make hold look cheap
        period = hold_period(dense.p50, combined.mean)
        record = self._maker.record(self.settings.tasks)
        model = self._maker.model
        again = render_stream(plan) if model.trained else None
        shape = model.checkpoint.network.config
        encodings = {task: shape.head_of(task).encoding for task in self.settings.tasks}
        hold(race.log, period, record, options, again, encodings)
        return ContenderSource(record, f'{REFERENCE}, every {period}. frame', period=period)


def _cache_bytes(runners: Mapping[str, Runner]) -> dict[str, int]:
    """Return the bytes of one camera's session by part, of the contender that keeps the most."""
    name = next(name for name in ('moving_fused', 'combined', REFERENCE) if name in runners)
    return runners[name].contender.session.nbytes()  # type: ignore[attr-defined]
