"""Run steps one after the other, each in its own process, so that one that dies stops no other."""

from dataclasses import dataclass
import multiprocessing
from multiprocessing.process import BaseProcess
import os
from pathlib import Path
import signal
import sys
import time
import traceback
from typing import Callable, Sequence

import torch

from gpu_check.check import Check
from gpu_check.results import DONE, Results

LOG = 'log.txt'
_GRACE = 0.85
"""Share of a step's time after which it should end by itself."""


@dataclass(frozen=True)
class Step:
    """
    A named function, and the seconds after which it is stopped.

    ``alike``: with tiny models, on a pretended device, it does the same as another step.
    """

    name: str
    seconds: float
    work: Callable[[Check], None]
    alike: bool = False


def run_steps(steps: Sequence[Step], results: Results, *, pretend: bool) -> None:
    """
    Run each step in a process of its own; this process never uses the device.

    The processes are forked, because importing the libraries takes longer than many steps.
    """
    context = multiprocessing.get_context('fork')
    for step in steps:
        started = time.monotonic()
        process = context.Process(target=_in_child, args=(step, results, pretend))
        process.start()
        try:
            process.join(step.seconds)
        finally:  # a step has a session of its own, which no signal to this process reaches
            end = _end_of(process, step)
        results.add(step.name, 'end', end=end, seconds=round(time.monotonic() - started, 1))
        print(f'{step.name}: {end}, {time.monotonic() - started:.0f} s')


def _end_of(process: BaseProcess, step: Step) -> str:
    """Return how a step ended; one that still runs is killed with all that it started."""
    if process.is_alive() and process.pid is not None:
        os.killpg(process.pid, signal.SIGKILL)
        process.join()
        return f'cut off after {step.seconds:g} s'
    code = process.exitcode
    if not code:
        return DONE
    return f'died of {signal.Signals(-code).name}' if code < 0 else f'failed, see {LOG}'


def _in_child(step: Step, results: Results, pretend: bool) -> None:
    os.setsid()
    _write_to(results.path.parent / LOG)
    print(f'\n--- {step.name}', flush=True)
    deadline = time.monotonic() + _GRACE * step.seconds
    try:
        if pretend:
            _pretend(step, results, deadline)
        elif not torch.cuda.is_available():
            raise RuntimeError('PyTorch finds no CUDA device here; --pretend does without one')
        else:
            step.work(Check(step.name, results, deadline))
    except Exception as error:
        traceback.print_exc()
        results.add(step.name, 'fault', passed=False, fault=f'{type(error).__name__}: {error}')
        sys.exit(1)


def _pretend(step: Step, results: Results, deadline: float) -> None:
    from pretended_cuda import pretended_cuda
    torch.set_num_threads(1)
    with pretended_cuda() as device:
        step.work(Check(step.name, results, deadline, device))


def _write_to(path: Path) -> None:
    """Redirect all output of this process to a file."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(file, 1)
    os.dup2(file, 2)
