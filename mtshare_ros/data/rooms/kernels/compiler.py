"""How every kernel is compiled."""

from numba import njit

_OPTIONS = {'cache': True, 'fastmath': True, 'error_model': 'numpy', 'nogil': True}

kernel = njit(**_OPTIONS)
inlined = njit(forceinline=True, **_OPTIONS)
"""For helpers in inner loops: passing arrays to a call costs more than most of them compute."""
