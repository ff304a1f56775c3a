"""One camera image on its way through the threads of the node."""

from dataclasses import dataclass, field
import time
from typing import Any

from mtshare_ros.nodes.perception.outputs import OutputSpec
from mtshare_ros.nodes.perception.parameter_table import RuntimeSettings


@dataclass(frozen=True)
class Job:
    """
    The message of a camera image, and the settings and outputs that held when it came.

    ``arrived_s`` is the ``time.perf_counter`` of its arrival.
    """

    message: Any
    outputs: tuple[OutputSpec, ...]
    settings: RuntimeSettings
    arrived_s: float = field(default_factory=time.perf_counter)
