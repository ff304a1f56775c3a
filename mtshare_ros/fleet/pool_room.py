"""How many workers there is room for on the machines of a Ray."""

from typing import Any

from mtshare_ros.errors import FleetError


def room_for_workers(ray: Any, threads: int, gpus: float) -> int:
    """
    Return how many workers fit, each on one machine.

    Raises
    ------
    FleetError
        No machine has so many CPUs or GPUs.

    """
    machines = [node['Resources'] for node in ray.nodes() if node['Alive']]
    most_cpus = max((machine.get('CPU', 0.0) for machine in machines), default=0.0)
    most_gpus = max((machine.get('GPU', 0.0) for machine in machines), default=0.0)
    if most_gpus < gpus:
        raise FleetError(f'each worker shall have {gpus:g} GPUs (--gpus-per-worker); '
                         + (f'no machine has more than {most_gpus:g}' if most_gpus
                            else 'no machine of this fleet has one'))
    if most_cpus < threads:
        raise FleetError(f'each worker shall have {threads} threads (--threads); no machine has '
                         f'more than {most_cpus:g} CPUs')
    return sum(_room(machine, threads, gpus) for machine in machines)


def _room(machine: dict[str, float], threads: int, gpus: float) -> int:
    by_cpus = machine.get('CPU', 0.0) // threads
    # a tenth fits ten times into one, whatever floats say
    by_gpus = (machine.get('GPU', 0.0) / gpus + 1e-6) // 1 if gpus else by_cpus
    return int(min(by_cpus, by_gpus))
