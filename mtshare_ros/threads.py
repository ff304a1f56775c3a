"""How PyTorch's threads on a CPU wait, and what lets their number follow the load."""

import os
from typing import Mapping

_SPIN_COUNT, _WAIT_POLICY = 'GOMP_SPINCOUNT', 'OMP_WAIT_POLICY'


def waiting_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """
    Return the variables that let threads sleep soon while they wait for one another.

    By default GCC's OpenMP, which PyTorch's wheels bring, lets them spin for milliseconds; beside
    another program that needs a core, a frame then takes two to a hundred times longer. A thousand
    turns bridge the gaps between the steps of a network, so that on an idle machine next to
    nothing is lost. Empty where the user has decided how they wait.
    """
    decided = _SPIN_COUNT in environment or _WAIT_POLICY in environment
    return {} if decided else {_SPIN_COUNT: '1000'}


def thread_notices(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Return what the user of a CPU should know: sums of other parts are rounded differently."""
    value = environment.get('OMP_DYNAMIC', '')
    if value.strip().lower() not in ('true', '1'):
        return ()
    return (f'OMP_DYNAMIC is {value} in the environment: the number of threads follows the load '
            'of the machine, and the last bits of the maps with it; leave it out for the same '
            'maps every time',)
