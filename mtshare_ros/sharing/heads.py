"""The runners of decode heads, by kind."""

from typing import Callable

import torch

from mtshare_ros.model.architecture import DPT, LINEAR, LOCAL
from mtshare_ros.model.network import MultiTaskNetwork
from mtshare_ros.sharing.dpt_head import DptRunner
from mtshare_ros.sharing.head import HeadRunner
from mtshare_ros.sharing.layout import AUTO
from mtshare_ros.sharing.linear_head import LinearRunner
from mtshare_ros.sharing.local_head import LocalRunner

_RUNNERS: dict[str, Callable[[MultiTaskNetwork, str, torch.dtype, str], HeadRunner]] = {
    LOCAL: LocalRunner,
    LINEAR: LinearRunner,
    DPT: DptRunner,
}


def make_head(
    network: MultiTaskNetwork, task: str, dtype: torch.dtype = torch.float32, layout: str = AUTO,
) -> HeadRunner:
    """Return the runner of a task's head, its weights in ``dtype``."""
    return _RUNNERS[network.config.head_of(task).kind](network, task, dtype, layout)
