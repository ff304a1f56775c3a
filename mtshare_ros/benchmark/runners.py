"""The sides of the benchmark, prepared once, and begun anew for every stream."""

from dataclasses import dataclass
from typing import Mapping, Sequence

import numpy as np

from mtshare_ros.benchmark.carried_side import CARRIED_SIDES, CarriedSide, DenseNetwork, View
from mtshare_ros.benchmark.dense_forms import FormChooser, Report
from mtshare_ros.benchmark.dense_sides import (
    build_pieces,
    DENSE_SIDES,
    DensePieces,
    make_dense_side,
)
from mtshare_ros.benchmark.engine_side import ENGINE_SIDES, make_engine_side, MOTION_SIDES
from mtshare_ros.benchmark.model import BenchModel
from mtshare_ros.benchmark.record import new_record, SideRecord
from mtshare_ros.benchmark.run import Runner
from mtshare_ros.benchmark.settings import BenchSettings, REFERENCE
from mtshare_ros.benchmark.streams import StreamPlan
from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.prediction import InferenceSettings
from mtshare_ros.model.framing import frame_to_cover

_COSTLY = ('independent', 'dense')
_SHARED_ENCODER = 'shared_encoder'


@dataclass(frozen=True)
class Opponent:
    """A model whose tasks share the whole encoder, in its fastest form."""

    engine: Engine
    model: BenchModel
    pieces: DensePieces


class SideMaker:
    """
    Prepares what the sides of a comparison need.

    ``shared`` is the model whose tasks share the whole encoder, with an engine of the same size;
    None leaves out the sides that run it. ``report`` gets a sentence now and then.
    """

    def __init__(
        self, engine: Engine, model: BenchModel, settings: BenchSettings,
        shared: tuple[Engine, BenchModel] | None = None, report: Report | None = None,
    ) -> None:
        self.engine, self.model, self.settings = engine, model, settings
        self._chooser = FormChooser(engine.device, compiling=settings.compiling, report=report)
        self._dense = tuple(name for name in DENSE_SIDES if name in settings.sides)
        self.pieces = self._build(engine, model) if self._dense else None
        self._opponent: Opponent | None = None
        if shared is not None and settings.carries_shared_encoder:
            self._opponent = Opponent(*shared, self._build(*shared))

    def runners(
        self, plan: StreamPlan, sides: Sequence[str], periods: Mapping[str, int]
    ) -> dict[str, Runner]:
        """
        Return the reference and the named ones of the asked sides, the reference first.

        ``periods``: from one frame of the network to the next, by carried side.
        """
        found = {REFERENCE: self._engine_runner(REFERENCE, plan)}
        for name in (*ENGINE_SIDES, *MOTION_SIDES):
            if name in sides and name != REFERENCE:
                found[name] = self._engine_runner(name, plan)
        if self.pieces is not None:
            found.update({name: self._dense_runner(name, self.pieces)
                          for name in self._dense if name in sides})
        for name in CARRIED_SIDES:
            network = self._network_of(name) if name in sides else None
            if network is not None:
                found[name] = self._carried_runner(name, network, plan, periods[name])
        return found

    def record(self, tasks: Sequence[str], *, scored: bool = True) -> SideRecord:
        """Return an empty record of the engine's model."""
        return new_record(self.engine, tasks, scored=scored and self.model.trained)

    def _build(self, engine: Engine, model: BenchModel) -> DensePieces:
        size = engine.input_size
        return build_pieces(
            model.checkpoint.network, self.settings.tasks, size, device=engine.device,
            dtype=engine.dtype, chooser=self._chooser,
            camera=engine.assumed_camera(frame_to_cover(size, size)))

    def _engine_runner(self, name: str, plan: StreamPlan) -> Runner:
        tasks, sharing = self.settings.tasks, self.settings.sharing
        moves = name in MOTION_SIDES
        side = make_engine_side(name, self.engine, tasks, sharing, plan.pinhole if moves else None)
        return Runner(side, self.record(tasks), compared=name != REFERENCE and not moves)

    def _dense_runner(self, name: str, pieces: DensePieces) -> Runner:
        tasks = self.settings.tasks if name != 'single' else self.settings.tasks[:1]
        side = make_dense_side(name, self.model.checkpoint.network, self.settings.tasks, pieces)
        costly = name in _COSTLY
        record = self.record(tasks, scored=not costly)
        every = min(self.settings.dense_every, self.settings.frames)
        # it remembers nothing, so one frame can be run twice
        return Runner(side, record, every if costly else 1, compared=name != 'independent',
                      warm=side.run if costly else None)

    def _network_of(self, name: str) -> DenseNetwork | None:
        """Return the network that a side carries the maps of, None where there is none."""
        tasks = self.settings.tasks
        counted = _macs_of(self.engine, tasks)
        if name.startswith('dense_nth'):
            alone = InferenceSettings(tasks)
            return DenseNetwork(lambda frame: self.engine.infer(frame, None, alone),
                                'the engine, each frame by itself', counted, counted)
        if self._opponent is None:
            return None
        model = self._opponent.model
        other = make_dense_side(
            _SHARED_ENCODER, model.checkpoint.network, tasks, self._opponent.pieces)
        return DenseNetwork(other.run, f'{model.name}, {other.form}',
                            _macs_of(self._opponent.engine, tasks), counted)

    def _carried_runner(
        self, name: str, network: DenseNetwork, plan: StreamPlan, period: int
    ) -> Runner:
        shared = self._opponent if name.startswith(_SHARED_ENCODER) else None
        engine = self.engine if shared is None else shared.engine
        patch = engine.description.architecture.patch_size
        view = View(plan.size, plan.pinhole, patch, self.engine.device)
        side = CarriedSide(name, network, view, nth=period, fused=name.endswith('_fused'))
        record = new_record(engine, self.settings.tasks, scored=self.model.trained)
        return Runner(side, record, compared=False, warm=network.compute)


def _macs_of(engine: Engine, tasks: tuple[str, ...]) -> int:
    """Return the multiply-accumulates of a dense frame."""
    blank = np.zeros((*engine.input_size, 3), np.uint8)
    return engine.infer(blank, None, InferenceSettings(tasks)).stats.macs
