"""All steps in the order in which they run, with the seconds that each may take on a GPU."""

from functools import partial

from gpu_check.buckets import check_graphs
from gpu_check.compiled import measure_compiled
from gpu_check.constants import measure_constants
from gpu_check.correctness import check_correctness
from gpu_check.faults import check_faults
from gpu_check.kernels import measure_kernels
from gpu_check.latency import measure_latency
from gpu_check.models import LARGE, PUBLIC, VIT_B, VIT_S, VIT_T
from gpu_check.profiles import profile_frames
from gpu_check.running import Step
from gpu_check.transfers import measure_transfers

_LATENCY_SECONDS = {VIT_B: 36, LARGE: 42, PUBLIC: 32, VIT_T: 26, VIT_S: 26}

STEPS = (
    Step('constants', 20, measure_constants),
    Step('kernels', 60, measure_kernels),
    *(Step(f'latency:{name}', seconds, partial(measure_latency, name),
           alike=name not in (VIT_B, PUBLIC))
      for name, seconds in _LATENCY_SECONDS.items()),
    Step('correctness', 75, check_correctness),
    Step('graphs', 50, check_graphs),
    Step('faults', 20, check_faults),
    Step('transfers', 18, measure_transfers),
    Step('profile', 30, profile_frames),
    Step('compiled', 45, measure_compiled),
)
"""The most important steps come first; ``kernels`` compiles the kernels for all later steps."""
