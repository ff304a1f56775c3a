"""The decode heads of a network, by kind."""

from typing import Callable, Iterable

from torch import nn

from mtshare_ros.model.architecture import ArchitectureConfig
from mtshare_ros.model.dpt_head import DptHead
from mtshare_ros.model.head import DecodeHead
from mtshare_ros.model.head_config import DPT, GEOMETRY, HeadConfig, LINEAR, LOCAL
from mtshare_ros.model.linear_head import LinearHead
from mtshare_ros.tasks import channels_of, get_task, ordered

_BUILDERS: dict[str, Callable[[ArchitectureConfig, HeadConfig, int], nn.Module]] = {
    LOCAL: DecodeHead,
    LINEAR: LinearHead,
    DPT: DptHead,
}


def build_heads(
    config: ArchitectureConfig, tasks: Iterable[str], label_count: int
) -> dict[str, nn.Module]:
    """
    Return the head of every task that has weights of its own, in canonical order.

    Its forward takes a ``HeadInput`` and returns the raw output (B, C, rows x side,
    columns x side), C being 1 for heads that make metres of bins.
    """
    heads = ((task, config.head_of(task)) for task in ordered(tasks))
    return {
        task: _BUILDERS[head.kind](config, head, channels_of(get_task(task), label_count))
        for task, head in heads if head.kind != GEOMETRY
    }
