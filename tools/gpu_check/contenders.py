"""The contenders of the check: ways of computing frames that are timed against each other."""

from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any, Callable

import numpy as np
import torch

from gpu_check.check import DEVICE
from gpu_check.models import Subject
from mtshare_ros.benchmark.dense_contenders import build_pieces, DensePieces, make_dense_contender
from mtshare_ros.benchmark.dense_forms import FormChooser
from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.prediction import InferenceSettings
from mtshare_ros.sharing.sharing_settings import SharingSettings

SHARING = 'sharing'
WHOLE = 'dense: the engine, every frame whole, as graphs'


@dataclass(frozen=True)
class Contender:
    """
    A way of computing frames.

    ``run`` computes the maps of a frame and returns the share of patches that entered the network.
    ``dense``: it computes everything in every frame; ``four``: in one network for each task.
    ``rare``: it runs in some turns only.
    """

    name: str
    run: Callable[[np.ndarray], float]
    form: str = 'the engine'
    engine: Engine | None = None
    dense: bool = False
    four: bool = False
    rare: bool = False

    @property
    def stateless(self) -> bool:
        """Whether it keeps nothing between frames."""
        return self.dense or self.four


@dataclass(frozen=True)
class Maker:
    """Builds a contender when it is called, which may fail on some machines."""

    name: str
    build: Callable[[], Contender]

    def __call__(self) -> Contender:
        """Return the contender."""
        return self.build()


def sharing_contenders(subject: Subject) -> list[Maker]:
    """Return the engine in all its forms, with the default of the node first."""
    usual = SharingSettings()
    engine = cache(subject.engine)

    def maker(name: str, make: Callable[[], Engine], sharing: SharingSettings = usual,
              **more: bool) -> Maker:
        return Maker(name, lambda: _engine_contender(name, make(), sharing, **more))

    return [
        maker(SHARING, engine),
        maker(WHOLE, engine, replace(usual, temporal=False, task=False), dense=True),
        maker('sharing, all that enters goes through the blocks', lambda: _uncut(engine())),
        *(maker(f'sharing, sub-tasks compute one token of {share}',
                partial(_reusing, subject, share))
          for share in ((1, 2) if subject.checkpoint.network.branches else ())),
        maker('sharing, without graphs', partial(subject.engine, cuda_graphs=False), rare=True),
        maker('sharing, lists that shrink', partial(subject.engine, fixed_shapes=False),
              rare=True),
    ]


def dense_contenders(subject: Subject, rounds: int) -> list[Maker]:
    """
    Return the dense forms of PyTorch, and one with a network for each task.

    ``rounds`` is how often a graph is timed against the calls that it replaces.
    """
    kind = 'dense' if subject.checkpoint.network.branches else 'shared_encoder'
    pieces = cache(partial(_pieces, subject, rounds))
    return [
        Maker('dense: PyTorch, without graphs',
              lambda: _dense_contender('dense: PyTorch, without graphs', kind, subject, pieces(),
                                  graph=False)),
        Maker('dense: PyTorch, as a graph',
              lambda: _dense_contender('dense: PyTorch, as a graph', kind, subject, pieces())),
        Maker('four networks',
              lambda: _dense_contender('four networks', 'independent', subject, pieces())),
    ]


def _engine_contender(
    name: str, engine: Engine, sharing: SharingSettings, **more: Any
) -> Contender:
    session, settings = engine.new_session(), InferenceSettings(engine.tasks, sharing)
    engine.prepare(session, settings)
    return Contender(
        name, lambda frame: engine.infer(frame, session, settings).stats.input_fraction,
        engine=engine, **more)


def _uncut(engine: Engine) -> Engine:
    """Return an engine in which the temporal gate before the first block lets all tokens pass."""
    thresholds = {
        task: replace(each, temporal=(0.0, *each.temporal[1:]))
        for task, each in engine.thresholds.items()}
    return engine.with_thresholds(thresholds)


def _reusing(subject: Subject, share: int) -> Engine:
    """Return an engine whose sub-tasks compute one token in ``share`` in every frame."""
    engine = subject.engine()
    # no setting chooses this share: the static path decides by the size of the network
    path: Any = engine._paths._static
    path._reuse = lambda request: share
    return engine


def _pieces(subject: Subject, rounds: int) -> DensePieces:
    network = subject.checkpoint.network
    pieces = build_pieces(
        network, network.tasks, subject.size, device=DEVICE, dtype=torch.float16,
        chooser=FormChooser(DEVICE, compiling=False, rounds=min(rounds, 3)))
    return replace(pieces, rounds=rounds)


def _dense_contender(
    name: str, kind: str, subject: Subject, pieces: DensePieces, *, graph: bool = True
) -> Contender:
    network = subject.checkpoint.network
    dense: Any = make_dense_contender(kind, network, network.tasks, pieces)
    if not graph:
        dense._compute = dense.compute

    def run(frame: np.ndarray) -> float:
        dense.run(frame)
        return 1.0

    return Contender(name, run, dense.form.rpartition('; ')[2], dense=kind != 'independent',
                four=kind == 'independent')
