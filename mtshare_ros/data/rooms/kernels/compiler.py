"""How every kernel is compiled."""

from numba import njit

# the cache saves compiling anew in every process; as NumPy does, a division by zero gives
# infinity, because raising would keep loops from being vectorised; nogil lets threads render at
# the same time
_OPTIONS = {'cache': True, 'fastmath': True, 'error_model': 'numpy', 'nogil': True}

kernel = njit(**_OPTIONS)
inlined = njit(forceinline=True, **_OPTIONS)
"""For helpers in inner loops: passing arrays to a call costs more than most of them compute."""
