"""The dense prediction heads of Depth Anything (depth) and TIPSv2 (semantics, depth, normals)."""

from dataclasses import replace
from typing import Any, Iterator, Mapping

import torch

from mtshare_ros.errors import ModelError
from mtshare_ros.model.architecture import ArchitectureConfig, DPT, HeadConfig
from mtshare_ros.model.dpt_head import PYRAMID_SIDE
from mtshare_ros.model.heads import BINS_FLOOR
from mtshare_ros.model.importing.public_heads import (
    check_width,
    HeadOptions,
    ImportedHead,
    named_classes,
    NYU_FOCAL,
    spread_taps,
    take,
)
from mtshare_ros.model.importing.source import Source
from mtshare_ros.model.importing.tensor_names import (
    DEPTH_ANYTHING,
    DEPTH_ANYTHING_ORIGINAL,
    ours_by_theirs,
    TIPS,
)

FACTORS = [4, 2, 1, 0.5]
"""Pixels of each level of the pyramid along a side of a patch."""
_ORIGINAL = 'depth_head.'
_NEAR = 0.001
_METRIC = {'hypersim': (_NEAR, 20.0), 'vkitti': (_NEAR, 80.0)}
"""Depth ranges in metres of the metric models, by the data set in their names."""

_TASKS = {'segmentation': 'semseg', 'depth': 'depth', 'normals': 'normals'}


def read_depth_anything(
    source: Source, backbone: ArchitectureConfig, options: HeadOptions
) -> Iterator[ImportedHead]:
    """Yield the depth head of a Depth Anything, as stored by Hugging Face or by its authors."""
    config = source.config
    if config.get('model_type') == 'depth_anything':
        check_pyramid(config, source)
        metric = config.get('depth_estimation_type', 'relative') == 'metric'
        shape = HeadConfig(
            taps=taps_of(config['backbone_config'], source),
            normed=config['backbone_config'].get('apply_layernorm', True))
        names = ours_by_theirs(source.tensors, DEPTH_ANYTHING)
        yield _depth_anything_head(
            source, backbone, names, shape,
            (_NEAR, float(config.get('max_depth') or 1)) if metric else ())
    elif f'{_ORIGINAL}scratch.output_conv1.weight' in source.tensors:
        names = ours_by_theirs(source.tensors, DEPTH_ANYTHING_ORIGINAL, _ORIGINAL)
        shape = HeadConfig(taps=_taps_by_name(source, backbone.depth))
        yield _depth_anything_head(
            source, backbone, names, shape, options.depth_range or _range_by_name(source.name))


def _depth_anything_head(
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
    """Return the blocks that the head reads; they depend on the version, which the name tells."""
    name = source.name.lower()
    if 'v2' in name:
        return spread_taps(depth, source.name)
    if 'depth_anything_vit' in name:
        return tuple(range(depth - 3, depth + 1))
    raise ModelError(
        f'{source.name}: the file does not say whether this is version 1 or 2 of Depth Anything, '
        'whose heads read different blocks; give it the name it was published under, such as '
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


def read_tips(source: Source, backbone: ArchitectureConfig) -> Iterator[ImportedHead]:
    """Yield the heads of a ``Tipsv2DptForDensePrediction``, or of one of its single tasks."""
    if source.config.get('model_type') != 'tipsv2_dpt':
        return
    check_pyramid(source.config, source)
    activation = source.config.get('readout_activation', 'gelu_pytorch_tanh')
    if activation != 'gelu_pytorch_tanh':
        raise ModelError(
            f'{source.name}: readout_activation is {activation!r}; only gelu_pytorch_tanh is read')
    for theirs, task in _TASKS.items():
        names = ours_by_theirs(source.tensors, TIPS, f'{theirs}_head.')
        if names:
            yield _tips_head(source, backbone, task, names)


def _tips_head(
    source: Source, backbone: ArchitectureConfig, task: str, names: dict[str, str]
) -> ImportedHead:
    tensors = take(source.tensors, names, source.name)
    check_width(tensors['project.0.weight'].shape[1], backbone, source.name)
    width = len(tensors['lateral.0.weight'])
    outputs = len(tensors['last.weight'])
    tensors = _with_zero_bias(_split_readout(tensors))
    near_far = (float(source.config.get('min_depth', 0.001)),
                float(source.config.get('max_depth', 10.0)))
    config = HeadConfig(
        kind=DPT, taps=taps_of(source.config['backbone_config'], source), class_token=True,
        normed=source.config['backbone_config'].get('apply_layernorm', True),
        side=PYRAMID_SIDE, channels=width,
        pyramid=tuple(len(tensors[f'project.{level}.weight']) for level in range(4)))
    if task == 'depth':
        config = replace(
            config, hidden=width, encoding='metres', bins=outputs, depth_range=near_far)
    return ImportedHead(
        source.name, task, used=frozenset(names), outputs=outputs,
        tensors=_depth_output(tensors, near_far[0]) if task == 'depth' else _joined(tensors),
        config=config,
        labels=named_classes(source, outputs) if task == 'semseg' else None,
        focal_length=NYU_FOCAL if task == 'depth' else None,
        summary=f'dense {task} head' + (f' up to {near_far[1]:g} m' if task == 'depth' else ''))


def _split_readout(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Separate what a readout applies to patches from what it applies to the class token."""
    for level in range(4):
        patches, token = tensors.pop(f'readout.{level}.weight').chunk(2, dim=1)
        tensors[f'readout.{level}.cells.weight'] = patches[:, :, None, None].contiguous()
        tensors[f'readout.{level}.cells.bias'] = tensors.pop(f'readout.{level}.bias')
        tensors[f'readout.{level}.token.weight'] = token.contiguous()
    return tensors


def _with_zero_bias(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Add biases of zero for the convolutions of the residual units, which have none here."""
    zero = {name.replace('.weight', '.bias'): torch.zeros(len(value))
            for name, value in tensors.items() if '.conv' in name}
    return {**zero, **tensors}


def _joined(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Make one convolution of the last two layers, which have no activation between them."""
    last, bias = tensors.pop('last.weight'), tensors.pop('last.bias')
    middle = tensors.pop('middle.weight')
    tensors['out.conv3.weight'] = (last @ middle.flatten(1)).view(-1, *middle.shape[1:])
    tensors['out.conv3.bias'] = bias + last @ tensors.pop('middle.bias')
    return tensors


def _depth_output(tensors: dict[str, torch.Tensor], floor: float) -> dict[str, torch.Tensor]:
    """Scale the last layer so that its bins have BINS_FLOOR as their floor; shares stay equal."""
    factor = BINS_FLOOR / floor
    for part in ('weight', 'bias'):
        tensors[f'out.conv2.{part}'] = tensors.pop(f'middle.{part}')
    tensors['out.conv3.weight'] = factor * tensors.pop('last.weight')[:, :, None, None]
    tensors['out.conv3.bias'] = factor * tensors.pop('last.bias')
    return tensors
