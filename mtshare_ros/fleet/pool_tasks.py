"""What a pool is told and what it tells: its options, tasks, and what became of them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Hashable


@dataclass(frozen=True)
class PoolOptions:
    """
    Where a pool's workers run: on this machine, or on the cluster at ``address``.

    ``workers``: None for all there is room for. ``threads``: CPUs and PyTorch's threads of each.
    ``gpus``: of each, also a part of one. ``temp_folder``: where Ray keeps its files while it runs
    on this machine, at most 21 characters. ``dashboard``: Ray's dashboard on this machine.
    """

    address: str | None = None
    workers: int | None = None
    threads: int = 1
    gpus: float = 0.0
    temp_folder: Path | None = None
    dashboard: bool = False
    # with it Ray has 18 processes beside the workers and takes 0.6 GB of memory, else 4 and 0.2 GB


@dataclass(frozen=True)
class Task:
    """
    A method of the worker to call; ``key`` tells tasks apart, in messages too.

    A task prefers a worker that ran one with the same ``near``, which may have kept its data.
    """

    key: Hashable
    method: str
    arguments: tuple = ()
    near: Hashable = None


@dataclass(frozen=True)
class Done:
    """What became of a task; ``error`` is '' if it succeeded, ``lost`` says workers died of it."""

    task: Task
    value: Any = None
    error: str = ''
    lost: bool = False
