"""The part of a pool that lives in each worker's process; Ray makes an actor of it."""

from dataclasses import dataclass
import os
from pathlib import Path
import socket
import traceback
from typing import Any, Callable, Hashable

from mtshare_ros import __version__
from mtshare_ros.errors import MtshareError
from mtshare_ros.threads import waiting_variables

Report = Callable[[Hashable, int], None]
"""Notes how much of a key is done so far, of a task that is being computed."""

PROGRESS = 'progress'
"""The name of the thread that answers while the other one computes."""


@dataclass(frozen=True)
class Start:
    """Where a worker runs; ``error`` says why it does not, ``final`` that no other one will."""

    host: str
    pid: int
    version: str
    error: str = ''
    final: bool = False


@dataclass(frozen=True)
class Outcome:
    """What a method returned, or its exception as text."""

    value: Any = None
    error: str = ''


@dataclass(frozen=True)
class Progress:
    """How much of a task is done; ``ticket`` is the one that the task was given with."""

    ticket: int = 0
    amount: int = 0


class PoolActor:
    """Holds the worker that ``make_worker`` made, and calls its methods one after the other."""

    def __init__(self) -> None:
        self._worker: Any = None
        self._ticket = 0
        self._amounts: dict[Hashable, int] = {}

    def start(self, make_worker: Callable[[Report], Any], threads: int) -> Start:
        """Make the worker; PyTorch has ``threads`` threads before it is made."""
        os.environ.update(waiting_variables(os.environ))  # read when PyTorch is imported
        import torch

        torch.set_num_threads(threads)
        error, final = '', False
        try:
            self._worker = make_worker(self._report)
        except MtshareError as failure:
            error, final = str(failure), True
        except Exception as failure:
            error = describe(failure)
        return Start(socket.gethostname(), os.getpid(), __version__, error, final)

    def run(self, ticket: int, method: str, arguments: tuple) -> Outcome:
        """Call a method of the worker."""
        self._amounts = {}
        self._ticket = ticket
        try:
            return Outcome(value=getattr(self._worker, method)(*arguments))
        except MtshareError as failure:
            return Outcome(error=str(failure))
        except Exception as failure:
            traceback.print_exc()  # into the log of the worker
            return Outcome(error=describe(failure))

    def progress(self) -> Progress:
        """Return how much of the present task is done."""
        return Progress(self._ticket, sum(self._amounts.copy().values()))

    def _report(self, key: Hashable, amount: int) -> None:
        self._amounts[key] = amount


def describe(failure: BaseException) -> str:
    """Return the type, the message and the place of an exception in one line."""
    text = f'{type(failure).__name__}: {failure}'
    frames = traceback.extract_tb(failure.__traceback__)
    if not frames:
        return text
    last = frames[-1]
    return f'{text} ({Path(last.filename).name}, line {last.lineno}, in {last.name})'
