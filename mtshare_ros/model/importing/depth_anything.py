"""Depth Anything: a DINOv2 backbone with a dense prediction head, relative or metric."""

from dataclasses import replace
from typing import Any, Iterator, Mapping

from mtshare_ros.errors import ModelError
from mtshare_ros.model.architecture import ArchitectureConfig
from mtshare_ros.model.head_config import DPT, HeadConfig
from mtshare_ros.model.importing.dpt_names import (
    DEPTH_ANYTHING,
    DEPTH_ANYTHING_ORIGINAL,
    ours_by_theirs,
)
from mtshare_ros.model.importing.head import (
    check_width,
    HeadOptions,
    ImportedHead,
    spread_taps,
    take,
)
from mtshare_ros.model.importing.source import Source

FACTORS = [4, 2, 1, 0.5]
"""How many pixels a cell has along a side, on each level of the pyramid."""
_ORIGINAL = 'depth_head.'
_NEAR = 0.001
_METRIC = {'hypersim': (_NEAR, 20.0), 'vkitti': (_NEAR, 80.0)}
"""Ranges of the metric models by the data in their names."""


def read_depth_anything(
    source: Source, backbone: ArchitectureConfig, options: HeadOptions
) -> Iterator[ImportedHead]:
    """Yield the depth head of a Depth Anything, of Hugging Face's form or its authors' own."""
    config = source.config
    if config.get('model_type') == 'depth_anything':
        check_pyramid(config, source)
        metric = config.get('depth_estimation_type', 'relative') == 'metric'
        shape = HeadConfig(
            taps=taps_of(config['backbone_config'], source),
            normed=config['backbone_config'].get('apply_layernorm', True))
        yield _head(source, backbone, ours_by_theirs(source.tensors, DEPTH_ANYTHING), shape,
                    (_NEAR, float(config.get('max_depth') or 1)) if metric else ())
    elif f'{_ORIGINAL}scratch.output_conv1.weight' in source.tensors:
        names = ours_by_theirs(source.tensors, DEPTH_ANYTHING_ORIGINAL, _ORIGINAL)
        shape = HeadConfig(taps=_taps_by_name(source, backbone.depth))
        yield _head(source, backbone, names, shape,
                    options.depth_range or _range_by_name(source.name))


def _head(
    source: Source, backbone: ArchitectureConfig, names: dict[str, str], shape: HeadConfig,
    near_far: tuple[float, ...],
) -> ImportedHead:
    tensors = take(source.tensors, names, source.name)
    check_width(tensors['project.0.weight'].shape[1], backbone, source.name)
    return ImportedHead(
        source.name, 'depth', tensors=tensors, used=frozenset(names),
        config=replace(
            shape, kind=DPT, side=backbone.patch_size, hidden=len(tensors['out.conv2.weight']),
            channels=len(tensors['lateral.0.weight']),
            pyramid=tuple(len(tensors[f'project.{level}.weight']) for level in range(4)),
            encoding='metres' if near_far else 'disparity', depth_range=near_far),
        summary=f'dense metric depth head up to {near_far[1]:g} m' if near_far else
        'dense head of relative disparity, which has no metres')


def _taps_by_name(source: Source, depth: int) -> tuple[int, ...]:
    """Return the blocks that the head reads, which depend on a version only the name tells."""
    name = source.name.lower()
    if 'v2' in name:
        return spread_taps(depth, source.name)
    if 'depth_anything_vit' in name:
        return tuple(range(depth - 3, depth + 1))
    raise ModelError(
        f'{source.name}: whether this is version 1 or 2 of Depth Anything, which read other '
        'blocks, stands in no file of its authors; give it the name it was published by, such as '
        'depth_anything_v2_vits.safetensors or depth_anything_vits14.safetensors')


def _range_by_name(name: str) -> tuple[float, ...]:
    """Return the range of depths of a metric model, none for a relative one."""
    return next((near_far for data, near_far in _METRIC.items() if data in name.lower()), ())


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
