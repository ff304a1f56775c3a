"""Depth Anything: a DINOv2 backbone with a dense prediction head, relative or metric."""

from typing import Any, Iterator, Mapping

from mtshare_ros.errors import ModelError
from mtshare_ros.model.architecture import ArchitectureConfig
from mtshare_ros.model.head_config import DPT, HeadConfig
from mtshare_ros.model.importing.dpt_names import DEPTH_ANYTHING, ours_by_theirs
from mtshare_ros.model.importing.head import check_width, ImportedHead, take
from mtshare_ros.model.importing.source import Source

FACTORS = [4, 2, 1, 0.5]
"""How many pixels a cell has along a side, on each level of the pyramid."""
_METRIC_NEAR = 0.001


def read_depth_anything(source: Source, backbone: ArchitectureConfig) -> Iterator[ImportedHead]:
    """Yield the depth head of a ``DepthAnythingForDepthEstimation``."""
    config = source.config
    if config.get('model_type') != 'depth_anything':
        return
    names = ours_by_theirs(source.tensors, DEPTH_ANYTHING)
    tensors = take(source.tensors, names, source.name)
    check_pyramid(config, source)
    check_width(tensors['project.0.weight'].shape[1], backbone, source.name)
    kind = config.get('depth_estimation_type', 'relative')
    metric, far = kind == 'metric', float(config.get('max_depth') or 1)
    yield ImportedHead(
        source.name, 'depth', tensors=tensors, used=frozenset(names),
        config=HeadConfig(
            kind=DPT, taps=taps_of(config['backbone_config'], source),
            normed=config['backbone_config'].get('apply_layernorm', True),
            side=backbone.patch_size, hidden=len(tensors['out.conv2.weight']),
            channels=len(tensors['lateral.0.weight']),
            pyramid=tuple(len(tensors[f'project.{level}.weight']) for level in range(4)),
            encoding='metres' if metric else 'disparity',
            depth_range=(_METRIC_NEAR, far) if metric else ()),
        summary=f'dense metric depth head up to {far:g} m' if metric else
        'dense head of relative disparity, which has no metres')


def taps_of(config: Mapping[str, Any], source: Source) -> tuple[int, ...]:
    """Return the blocks, counted from 1, whose output a backbone's configuration names."""
    stages = config.get('out_indices') or [
        int(str(name).removeprefix('stage')) for name in config.get('out_features') or ()]
    if len(stages) != 4:
        raise ModelError(
            f'{source.name}: config.json names the blocks {stages} as those that the head reads; '
            'needed are four')
    return tuple(int(stage) for stage in stages)


def check_pyramid(config: Mapping[str, Any], source: Source) -> None:
    """Raise ModelError unless the levels of the pyramid have the usual sizes."""
    factors = list(config.get('reassemble_factors') or FACTORS)
    if factors != FACTORS:
        raise ModelError(
            f'{source.name}: reassemble_factors are {factors}; only heads with {FACTORS} are read')
