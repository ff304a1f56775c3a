"""A decode head of a public model, as this package builds it."""

from dataclasses import dataclass
from typing import Mapping

import torch

from mtshare_ros.errors import ModelError
from mtshare_ros.model.architecture import ArchitectureConfig
from mtshare_ros.model.head_config import HeadConfig
from mtshare_ros.tasks import LabelSet

NYU_RANGE, KITTI_RANGE = (0.001, 10.0), (0.001, 80.0)
NYU_FOCAL = 518.86 / 640
"""Focal length of NYUD-v2's camera over the width of its images."""

_SPREAD = {12: (3, 6, 9, 12), 24: (5, 12, 18, 24)}
"""Four blocks that heads on DINOv2 read, by the number of blocks."""


@dataclass(frozen=True)
class HeadOptions:
    """What the user says of heads whose files do not: labels, and the range of depths."""

    labels: LabelSet | None = None
    depth_range: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class ImportedHead:
    """
    Tensors of one task's head by our names below ``heads.<task>.``.

    ``labels`` are those that the source itself names, ``outputs`` is the number of its classes.
    ``focal_length`` is that of its training images over their width, None where unknown. ``used``
    are the names the tensors had in the source.
    """

    source: str
    task: str
    config: HeadConfig
    tensors: Mapping[str, torch.Tensor]
    used: frozenset[str]
    summary: str
    outputs: int = 0
    labels: LabelSet | None = None
    focal_length: float | None = None


def take(
    tensors: Mapping[str, torch.Tensor], names: Mapping[str, str], source: str
) -> dict[str, torch.Tensor]:
    """Return tensors by our names for ``names``, ours by theirs; raise ModelError for a gap."""
    missing = [name for name in names if name not in tensors]
    if missing:
        raise ModelError(
            f'{source}: {missing[0]} and {len(missing) - 1} more tensors of the head are missing; '
            'the file is not complete')
    return {ours: tensors[theirs].contiguous() for theirs, ours in names.items()}


def spread_taps(depth: int, source: str) -> tuple[int, ...]:
    """Return the four blocks that a head on DINOv2 reads, which its file does not say."""
    if depth not in _SPREAD:
        raise ModelError(
            f'{source}: which four of {depth} blocks its head reads is not known; it is for '
            f'backbones of {" or ".join(map(str, _SPREAD))} blocks')
    return _SPREAD[depth]


def check_width(found: int, config: ArchitectureConfig, source: str) -> None:
    """Raise ModelError unless a head reads tokens of the backbone's width."""
    if found != config.embed_dim:
        raise ModelError(
            f'{source}: the head reads tokens of {found} channels, the backbone has '
            f'{config.embed_dim}; take head and backbone of one size (small, base, large)')
