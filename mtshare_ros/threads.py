"""Environment variables that say how PyTorch's CPU threads wait and how many there are."""

import os
from typing import Mapping

_SPIN_COUNT, _WAIT_POLICY = 'GOMP_SPINCOUNT', 'OMP_WAIT_POLICY'


def waiting_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """
    Return the variables that make threads sleep soon, instead of spin, while they wait.

    By default GCC's OpenMP, which PyTorch's wheels contain, lets threads spin for milliseconds. If
    another program needs a core, a frame then takes two to a hundred times longer. A thousand
    turns of spinning are enough for the gaps between the layers of a network, so that an idle
    machine loses next to nothing. Empty where the user has set one of the variables.
    """
    decided = _SPIN_COUNT in environment or _WAIT_POLICY in environment
    return {} if decided else {_SPIN_COUNT: '1000'}


def thread_notices(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Return a warning where the number of threads varies, as the rounding of sums does then."""
    value = environment.get('OMP_DYNAMIC', '')
    if value.strip().lower() not in ('true', '1'):
        return ()
    return (f'OMP_DYNAMIC is {value} in the environment: the number of threads varies with the '
            'load of the machine, and the last bits of the maps with it; unset it to get the same '
            'maps every time',)
