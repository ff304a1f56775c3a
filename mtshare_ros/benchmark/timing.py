"""Times the engine with sets of tasks, and its encoder alone on a share of its tokens."""

from dataclasses import dataclass, field
import time
from typing import Any, Callable, Sequence

import numpy as np
import torch

from mtshare_ros.benchmark.bench_model import BenchModel
from mtshare_ros.benchmark.dense_contenders import encoder_piece
from mtshare_ros.benchmark.dense_forms import Call, FormChooser, Report, synchronize
from mtshare_ros.benchmark.dense_pieces import base_encoder, prepare, rotation_of
from mtshare_ros.inference.device import computing_on
from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.prediction import FrameStats, InferenceSettings
from mtshare_ros.model.network import MultiTaskNetwork
from mtshare_ros.sharing.gates import BlockThresholds
from mtshare_ros.sharing.transformer import TransformerRunner, TransformerWeights


@dataclass(frozen=True)
class Times:
    """Percentiles and mean of several times of one thing, in milliseconds."""

    p50: float
    p95: float
    p99: float
    mean: float
    count: int

    @classmethod
    def of(cls, milliseconds: Sequence[float]) -> 'Times':
        """Return the percentiles and mean of single times; there must be at least one."""
        p50, p95, p99 = np.percentile(milliseconds, (50, 95, 99))
        mean = float(np.mean(milliseconds))
        return cls(float(p50), float(p95), float(p99), mean, len(milliseconds))


@dataclass(frozen=True)
class EngineTimes:
    """What one frame takes with a set of tasks: in all, and by stage."""

    tasks: tuple[str, ...]
    total: Times
    stages: dict[str, Times] = field(default_factory=dict)


def task_subsets(tasks: Sequence[str]) -> list[tuple[str, ...]]:
    """Return each task alone, and all together where there is more than one."""
    alone: list[tuple[str, ...]] = [(task,) for task in tasks]
    return alone + ([tuple(tasks)] if len(tasks) > 1 else [])


def time_engine(
    engine: Engine,
    images: Sequence[np.ndarray],
    *,
    rounds: int,
    progress: Callable[[int], None] | None = None,
) -> list[EngineTimes]:
    """
    Time the engine over (H, W, 3) uint8 images with each task alone and with all.

    The sets of tasks take turns on the same image, so that other load of the machine affects all
    alike. In a round every image is computed with every set. Each set runs once before, uncounted.
    ``progress`` is called with the number of images done.
    """
    subsets = [InferenceSettings(tasks) for tasks in task_subsets(engine.tasks)]
    stats: list[list[FrameStats]] = [[] for _ in subsets]
    for settings in subsets:
        engine.infer(images[0], None, settings)
    done = 0
    for _ in range(rounds):
        for image in images:
            for number, settings in enumerate(subsets):
                stats[number].append(engine.infer(image, None, settings).stats)
            done += 1
            if progress is not None:
                progress(done)
    return [_summarise(settings.tasks, found) for settings, found in zip(subsets, stats)]


def frames_per_second(make_frame: Callable[[int], Any], count: int) -> float:
    """
    Return how many frames a second ``make_frame`` makes.

    It is called with 0, which is not timed, then with 1 to ``count``.
    """
    make_frame(0)
    start = time.perf_counter()
    for number in range(1, count + 1):
        make_frame(number)
    return count / (time.perf_counter() - start)


def _summarise(tasks: tuple[str, ...], stats: list[FrameStats]) -> EngineTimes:
    stages = {stage: Times.of([item.stage_ms[stage] for item in stats])
              for stage in stats[0].stage_ms}
    return EngineTimes(tasks, Times.of([item.total_ms for item in stats]), stages)


ROUNDS = 20
CALLS = 3
"""Rounds of a measurement, and timed calls of every form in a round."""


@dataclass(frozen=True)
class ActiveReport:
    """
    Milliseconds of one task's encoder: all ``tokens``, and ``fraction`` of them (``active``).

    ``dense`` holds every form of the dense encoder that was timed, ``form`` names the fastest;
    ``ratio`` is how many times faster ``temporal`` is than that one, by medians. ``runs_dense``:
    the share is above the engine's crossover, so the engine computes all tokens.
    """

    fraction: float
    active: int
    tokens: int
    block: str
    runs_dense: bool
    temporal: Times
    dense: dict[str, Times]
    form: str
    ratio: float
    notices: tuple[str, ...] = ()


def time_active(
    engine: Engine, model: BenchModel, fraction: float, *, block: str = 'fast',
    compiling: bool = True, rounds: int = ROUNDS, report: Report | None = None,
) -> ActiveReport:
    """
    Time the base task's encoder on a share of its tokens against dense encoders.

    The tokens are random, and others in every round; all forms take turns. Stem, gates and heads
    are left out; everything that the encoder does with a list of active tokens is counted.
    """
    device = torch.device(engine.device)
    network = base_encoder(model.checkpoint.network)
    side = network.config.patch_size
    grid = engine.input_size[0] // side, engine.input_size[1] // side
    with computing_on(engine.device), torch.inference_mode():
        sparse = _Sparse(prepare(network, device, torch.float32), grid, engine.dtype, block,
                         fraction, engine.crossover().share)
    chooser = FormChooser(engine.device, compiling=compiling, report=report)
    with computing_on(engine.device), torch.inference_mode():
        dense = _dense_forms(prepare(network, device, engine.dtype), grid, sparse.embedded(),
                             engine.dtype, chooser)
        times = _interleave({**dense, 'temporal': sparse.run}, sparse.renew, rounds, engine.device)
    temporal = times.pop('temporal')
    form = min(times, key=lambda name: times[name].p50)
    return ActiveReport(
        fraction, sparse.count, sparse.token_count, block, sparse.runs_dense, temporal, times,
        form, times[form].p50 / temporal.p50, tuple(chooser.notices))


class _Sparse:
    """The engine's encoder with a random list of active tokens."""

    def __init__(
        self, network: MultiTaskNetwork, grid: tuple[int, int], dtype: torch.dtype, block: str,
        fraction: float, crossover: float,
    ) -> None:
        self._runner = TransformerRunner(TransformerWeights(network, dtype), block)
        self._state = self._runner.allocate(grid)
        self.token_count = grid[0] * grid[1]
        self.count = max(1, round(fraction * self.token_count))
        self.runs_dense = self.count > crossover * self.token_count
        self._random = np.random.default_rng(0)
        self.tokens = torch.randn(
            self.token_count, network.config.embed_dim,
            generator=torch.Generator().manual_seed(0)).to(self._runner.device)
        self._thresholds = [BlockThresholds()] * network.config.depth
        self._every = torch.arange(self.token_count, device=self._runner.device)
        self._compute(self._every, self.tokens, dense=True)
        self.renew()

    def renew(self) -> None:
        """Draw another list of tokens and their new values."""
        rows = np.sort(self._random.permutation(self.token_count)[:self.count])
        self._index = torch.from_numpy(rows).to(self._every.device)
        self._values = self.tokens.index_select(0, self._index)

    def embedded(self) -> torch.Tensor:
        """Return all tokens (T, D) as the input of the first block."""
        return self._runner.embed(self._state, self.tokens, self._every)

    def run(self) -> torch.Tensor:
        """Compute the active tokens as the engine would: all of them above its crossover."""
        if self.runs_dense:
            return self._compute(self._every, self.tokens, dense=True)
        return self._compute(self._index, self._values, dense=False)

    def _compute(self, index: torch.Tensor, tokens: torch.Tensor, *, dense: bool) -> torch.Tensor:
        rows = self._runner.active_tokens(self._state, [index])
        values = self._runner.embed(self._state, tokens, index)
        self._runner.run_shared(self._state, rows, values, None if dense else self._thresholds)
        return self._state.taps.patches(self._runner.taps.last, 0)


def _dense_forms(
    network: MultiTaskNetwork, grid: tuple[int, int], tokens: torch.Tensor, dtype: torch.dtype,
    chooser: FormChooser,
) -> dict[str, Call]:
    rotation = rotation_of(network, grid, tokens.device)
    arguments = (tokens[None].to(dtype), *rotation)
    piece = encoder_piece(network, network.base_task, arguments)
    forms = {}
    for form in chooser.forms_of(piece):
        call = chooser.build(piece, form)
        if call is not None:
            forms[form] = _bound(call, arguments)
    return forms


def _bound(call: Call, arguments: tuple[torch.Tensor, ...]) -> Call:
    return lambda: call(*arguments)


def _interleave(
    calls: dict[str, Call], renew: Callable[[], None], rounds: int, device: str
) -> dict[str, Times]:
    """
    Return the times of calls in rotating order; the first two rounds and ``renew`` do not count.

    The first call of a turn is not counted either: it reads weights from memory again that the
    other calls displaced from the processor's caches.
    """
    found: dict[str, list[float]] = {name: [] for name in calls}
    names = list(calls)
    for number in range(rounds + 2):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            times = [_time(calls[name], device) for _ in range(1 + CALLS)]
            found[name] += times[1:] if number >= 2 else []
        renew()
    return {name: Times.of(times) for name, times in found.items()}


def _time(call: Callable[[], object], device: str) -> float:
    synchronize(device)
    start = time.perf_counter()
    call()
    synchronize(device)
    return (time.perf_counter() - start) * 1e3
