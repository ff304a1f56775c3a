"""Options of the commands that compute on many workers; no import of Ray or PyTorch is needed."""

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
WorkerGpusOption = Annotated[float, typer.Option(
    '--gpus-per-worker', min=0.0, metavar='N',
    help='GPUs of each worker; 0.5 lets two share one. Default: 0, none.')]
WorkerThreadsOption = Annotated[int, typer.Option(
    '--threads', min=1, metavar='N', help='CPU threads of each worker.')]


def pool_options(
    workers: int | None, address: str | None, gpus: float, threads: int
) -> PoolOptions:
    """Return the options of a pool; raise ConfigError for GPUs that cannot be divided so."""
    if gpus > 1 and gpus != int(gpus):
        raise ConfigError(f'--gpus-per-worker is {gpus}; allowed is a whole number, or a part of '
                          'one GPU such as 0.5')
    return PoolOptions(address=address, workers=workers, gpus=gpus, threads=threads)


def check_without_fleet(workers: int | None, gpus: float) -> None:
    """Refuse options of a fleet in a command that was given them without ``--fleet``."""
    for option, given in (('--workers', workers is not None), ('--gpus-per-worker', gpus > 0)):
        if given:
            raise ConfigError(f'{option} is for fleets; add --fleet')
