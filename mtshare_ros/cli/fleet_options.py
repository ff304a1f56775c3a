"""Options of the commands that compute on many workers; Ray is not imported."""

import ctypes
import os
from pathlib import Path
from typing import Annotated

import typer

from mtshare_ros.errors import ConfigError
from mtshare_ros.fleet.pool import PoolOptions

FleetOption = Annotated[bool, typer.Option(
    '--fleet', help='Compute on many workers: on every core of this machine, or, with --address, '
                    'on a cluster.')]
WorkersOption = Annotated[int | None, typer.Option(
    '--workers', min=1, metavar='N',
    help='Processes that compute at the same time. Default: as many as there is room for.')]
AddressOption = Annotated[str | None, typer.Option(
    '--address', metavar='ADDRESS', envvar='RAY_ADDRESS',
    help='The Ray cluster to compute on: auto, host:port or ray://host:port. Default: this '
         'machine alone.')]
WorkerGpusOption = Annotated[float | None, typer.Option(
    '--gpus-per-worker', min=0.0, metavar='N',
    help='GPUs of each worker; 0.5 lets two share one. Default: 1 if this machine has any, 0 on '
         'a cluster.')]
WorkerThreadsOption = Annotated[int | None, typer.Option(
    '--threads', min=1, metavar='N', help='CPU threads of each worker, 1 by default.')]


def pool_options(
    workers: int | None, address: str | None, gpus: float | None, threads: int | None,
    device: str,
) -> PoolOptions:
    """
    Return the options of a pool that computes on ``device``.

    Raises ConfigError for GPUs that cannot be divided so.
    """
    if gpus is None:
        gpus = _usual_gpus(address, device)
    if gpus > 1 and gpus != int(gpus):
        raise ConfigError(f'--gpus-per-worker is {gpus}; allowed is a whole number, or a part of '
                          'one GPU such as 0.5')
    return PoolOptions(address=address, workers=workers, gpus=gpus, threads=threads or 1)


def fleet_of(
    fleet: bool, workers: int | None, address: str | None, gpus: float | None,
    threads: int | None, device: str,
) -> PoolOptions | None:
    """Return the options of the pool of a command, None without ``--fleet``; refuse them then."""
    if fleet:
        return pool_options(workers, address, gpus, threads, device)
    # an address in the environment is for all commands
    given = {'--workers': workers, '--threads': threads, '--gpus-per-worker': gpus,
             '--address': None if address == os.environ.get('RAY_ADDRESS') else address}
    for option, value in given.items():
        if value is not None:
            raise ConfigError(f'{option} is {value}, but it is for the workers of a fleet; add '
                              '--fleet')
    return None


def _usual_gpus(address: str | None, device: str) -> float:
    """Return the GPUs of a worker where none are given: those of a cluster are not known."""
    if address is not None or device == 'cpu' or not _has_gpu_driver():
        return 0.0
    from mtshare_ros.inference.device import cuda_device_count

    return float(cuda_device_count() > 0)


def _has_gpu_driver() -> bool:
    """Return whether there is what PyTorch needs for a GPU, without importing it, for seconds."""
    try:
        ctypes.CDLL('libcuda.so.1')
    except OSError:
        return Path('/dev/kfd').exists()  # a GPU of AMD
    return True
