"""The runners of decode heads, by kind."""

import torch

from mtshare_ros.model.network import MultiTaskNetwork
from mtshare_ros.sharing.head import HeadRunner
from mtshare_ros.sharing.layout import AUTO
from mtshare_ros.sharing.local_head import LocalHead


def make_head(
    network: MultiTaskNetwork, task: str, dtype: torch.dtype = torch.float32, layout: str = AUTO,
) -> HeadRunner:
    """Return the runner of a task's head, its weights in ``dtype``."""
    return LocalHead(network, task, dtype, layout)
