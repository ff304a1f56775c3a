"""TIPSv2: semantics, depth and normals by one dense prediction head each on one backbone."""

from dataclasses import replace
from typing import Iterator

import torch

from mtshare_ros.errors import ModelError
from mtshare_ros.model.architecture import ArchitectureConfig
from mtshare_ros.model.depth_output import BINS_FLOOR
from mtshare_ros.model.dpt_head import PYRAMID_SIDE
from mtshare_ros.model.head_config import DPT, HeadConfig
from mtshare_ros.model.importing.class_names import named_classes
from mtshare_ros.model.importing.depth_anything import check_pyramid, taps_of
from mtshare_ros.model.importing.dpt_names import ours_by_theirs, TIPS
from mtshare_ros.model.importing.head import check_width, ImportedHead, NYU_FOCAL, take
from mtshare_ros.model.importing.source import Source

_TASKS = {'segmentation': 'semseg', 'depth': 'depth', 'normals': 'normals'}


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
            yield _head(source, backbone, task, names)


def _head(
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
    """Separate what a readout applies to cells from what it applies to the class token."""
    for level in range(4):
        cells, token = tensors.pop(f'readout.{level}.weight').chunk(2, dim=1)
        tensors[f'readout.{level}.cells.weight'] = cells[:, :, None, None].contiguous()
        tensors[f'readout.{level}.cells.bias'] = tensors.pop(f'readout.{level}.bias')
        tensors[f'readout.{level}.token.weight'] = token.contiguous()
    return tensors


def _with_zero_bias(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Give the convolutions of the residual units, which have none, a bias of zero."""
    zero = {name.replace('.weight', '.bias'): torch.zeros(len(value))
            for name, value in tensors.items() if '.conv' in name}
    return {**zero, **tensors}


def _joined(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Make one convolution of the last two layers, which have nothing between them."""
    last, bias = tensors.pop('last.weight'), tensors.pop('last.bias')
    middle = tensors.pop('middle.weight')
    tensors['out.conv3.weight'] = (last @ middle.flatten(1)).view(-1, *middle.shape[1:])
    tensors['out.conv3.bias'] = bias + last @ tensors.pop('middle.bias')
    return tensors


def _depth_output(tensors: dict[str, torch.Tensor], floor: float) -> dict[str, torch.Tensor]:
    """Scale the last layer so that the floor of the bins becomes ours: the shares stay."""
    factor = BINS_FLOOR / floor
    for part in ('weight', 'bias'):
        tensors[f'out.conv2.{part}'] = tensors.pop(f'middle.{part}')
    tensors['out.conv3.weight'] = factor * tensors.pop('last.weight')[:, :, None, None]
    tensors['out.conv3.bias'] = factor * tensors.pop('last.bias')
    return tensors
