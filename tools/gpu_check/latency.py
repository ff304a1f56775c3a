"""Time frames with every contender; all take turns on the same frames."""

from dataclasses import dataclass, field
from functools import partial
import time
from typing import Callable, Sequence

import numpy as np
import torch

from gpu_check.changing_clip import clip_that_enters, Frames
from gpu_check.check import Check
from gpu_check.contenders import Contender, dense_contenders, SHARING, sharing_contenders
from gpu_check.models import subject_of
from mtshare_ros.inference.engine import Engine

SHARES = (0.05, 0.1, 0.25, 0.6)
TURN = 8
"""Frames that a contender computes in a row; the first is not counted: its caches are cold."""

_STATELESS_TURN = 3
_MOST_FRAMES = 400
_RARE = 4


@dataclass
class Record:
    """Times of a contender's frames in milliseconds, and the share of patches that entered."""

    wall: list[float] = field(default_factory=list)
    device: list[float] = field(default_factory=list)
    entered: list[float] = field(default_factory=list)


def measure_latency(name: str, check: Check) -> None:
    """Record percentiles of a model's contenders, by the share of patches that enter."""
    subject = subject_of(check, name)
    contenders: list[Contender] = []
    for make in (*sharing_contenders(subject), *dense_contenders(subject, check.size(9, 1))):
        with check.trying(f'making {make.name}'):
            contenders.append(make())
    engine = next(each.engine for each in contenders if each.name == SHARING and each.engine)
    check.add('crossover', share=_settle(engine, check))
    shares = SHARES[:check.size(len(SHARES), 1)]
    for number, share in enumerate(shares):
        until = time.monotonic() + check.left() / (len(shares) - number)
        with check.trying(f'share {share}'):
            _race(check, name, share, contenders, engine, until)


def _settle(engine: Engine, check: Check) -> float:
    """Let the engine measure its crossover, as the node does when it starts; return it."""
    if check.pretended is None:
        engine.settle_crossover()
    return engine.crossover().share


def _race(
    check: Check, name: str, share: float, contenders: Sequence[Contender], engine: Engine,
    until: float,
) -> None:
    clip = clip_that_enters(engine, share, check.size(24, 6))
    records = {contender.name: Record() for contender in contenders}
    turns, most = 0, check.size(_MOST_FRAMES, 2)
    for frames in clip.turns(check.size(TURN, 3)):
        for contender in _order(contenders, turns):
            if contender.rare and turns % _RARE != 1:
                continue
            _run(contender, frames[:_STATELESS_TURN] if contender.stateless else frames,
                 records[contender.name], counted=turns > 0)
        turns += 1
        if len(records[SHARING].wall) >= most or time.monotonic() > until and turns > 1:
            break
    for contender in contenders:
        record = records[contender.name]
        if record.wall:
            check.add('frame', model=name, share=share, contender=contender.name,
                      dense=contender.dense, four=contender.four, form=contender.form,
                      **_figures(record))


def _order(contenders: Sequence[Contender], turn: int) -> list[Contender]:
    first = turn % len(contenders)
    return [*contenders[first:], *contenders[:first]]


def _run(contender: Contender, frames: Frames, record: Record, *, counted: bool) -> None:
    for number, frame in enumerate(frames):
        wall, device, entered = _time(partial(contender.run, frame))
        if counted and number:
            record.wall.append(wall)
            record.device.append(device)
            record.entered.append(entered)


def _time(work: Callable[[], float]) -> tuple[float, float, float]:
    """Return milliseconds by the clock and between events, and what the work returns."""
    torch.cuda.synchronize()
    first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start = time.perf_counter()
    first.record()
    entered = work()
    wall = (time.perf_counter() - start) * 1e3
    last.record()
    last.synchronize()
    return wall, first.elapsed_time(last), entered


def _figures(record: Record) -> dict[str, float]:
    p50, p99 = np.percentile(record.wall, (50, 99))
    return {'p50': float(p50), 'p99': float(p99), 'events_p50': float(np.median(record.device)),
            'entered': float(np.mean(record.entered)), 'frames': len(record.wall)}
