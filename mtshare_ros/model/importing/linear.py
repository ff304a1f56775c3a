"""DINOv2's linear heads: semantics with a batch norm, depth as a mean of bins."""

from typing import Iterator

import torch

from mtshare_ros.errors import ModelError
from mtshare_ros.model.architecture import ArchitectureConfig
from mtshare_ros.model.head_config import HeadConfig, LINEAR
from mtshare_ros.model.importing.head import (
    HeadOptions,
    ImportedHead,
    KITTI_RANGE,
    NYU_FOCAL,
    NYU_RANGE,
    spread_taps,
    take,
)
from mtshare_ros.model.importing.source import Source

_BN_EPS = 1e-5


def read_linear_heads(
    source: Source, backbone: ArchitectureConfig, options: HeadOptions
) -> Iterator[ImportedHead]:
    """Yield the semantic and the depth head of a source, where it has them."""
    prefix = next((name.removesuffix('decode_head.conv_seg.weight') for name in source.tensors
                   if name.endswith('decode_head.conv_seg.weight')), None)
    if prefix is not None:
        yield _semantic(source, backbone, f'{prefix}decode_head.')
    prefix = next((name.removesuffix('decode_head.conv_depth.weight') for name in source.tensors
                   if name.endswith('decode_head.conv_depth.weight')), None)
    if prefix is not None:
        yield _depth(source, backbone, options, f'{prefix}decode_head.')


def _semantic(source: Source, backbone: ArchitectureConfig, prefix: str) -> ImportedHead:
    names = {f'{prefix}{name}': name for name in (
        'conv_seg.weight', 'conv_seg.bias', 'bn.weight', 'bn.bias', 'bn.running_mean',
        'bn.running_var')}
    found = take(source.tensors, names, source.name)
    weight = found['conv_seg.weight'].flatten(1)
    taps = _tap_count(weight.shape[1], backbone.embed_dim, (1, 4), source)
    scale = found['bn.weight'] / (found['bn.running_var'] + _BN_EPS).sqrt()
    shift = found['bn.bias'] - found['bn.running_mean'] * scale
    depth = backbone.depth
    return ImportedHead(
        source.name, 'semseg', outputs=len(weight), used=frozenset(names),
        config=HeadConfig(kind=LINEAR, side=1,
                          taps=tuple(range(depth - taps + 1, depth + 1))),
        tensors={'from_tokens.weight': (weight * scale)[:, :, None, None].contiguous(),
                 'from_tokens.bias': found['conv_seg.bias'] + weight @ shift},
        summary=f'linear semantic head over {_count(taps)}, {len(weight)} classes')


def _depth(
    source: Source, backbone: ArchitectureConfig, options: HeadOptions, prefix: str
) -> ImportedHead:
    names = {f'{prefix}{name}': name for name in ('conv_depth.weight', 'conv_depth.bias')}
    found = take(source.tensors, names, source.name)
    weight = found['conv_depth.weight'].flatten(1)
    bins, width = weight.shape
    if bins < 2:
        raise ModelError(
            f'{source.name}: its depth head has {bins} output; only heads with bins are read')
    parts = _tap_count(width, backbone.embed_dim, (1, 2, 4, 8), source)
    taps, has_class = (parts // 2, True) if parts in (2, 8) else (parts, False)
    near_far, focal = _depth_range(source, options)
    config = HeadConfig(
        kind=LINEAR, side=4, normed=False,
        taps=(backbone.depth,) if taps == 1 else spread_taps(backbone.depth, source.name),
        class_token=has_class, encoding='metres', bins=bins, depth_range=near_far)
    return ImportedHead(
        source.name, 'depth', config=config, used=frozenset(names), focal_length=focal,
        tensors={**_split(weight, taps, has_class), 'from_tokens.bias': found['conv_depth.bias']},
        summary=f'linear depth head over {_count(taps)}, {bins} bins up to {near_far[1]:g} m')


def _split(weight: torch.Tensor, taps: int, has_class: bool) -> dict[str, torch.Tensor]:
    """Return what is applied to cells, and to class tokens, which follow those of each tap."""
    if not has_class:
        return {'from_tokens.weight': weight[:, :, None, None].contiguous()}
    cells, tokens = weight.unflatten(1, (taps, 2, -1)).unbind(2)
    return {'from_tokens.weight': cells.flatten(1)[:, :, None, None].contiguous(),
            'from_class.weight': tokens.flatten(1).contiguous()}


def _tap_count(width: int, embed_dim: int, allowed: tuple[int, ...], source: Source) -> int:
    if width % embed_dim or width // embed_dim not in allowed:
        raise ModelError(
            f'{source.name}: the head reads {width} channels, which are not '
            f'{" or ".join(map(str, allowed))} times the {embed_dim} of the backbone; take head '
            'and backbone of one size (small, base, large)')
    return width // embed_dim


def _depth_range(
    source: Source, options: HeadOptions
) -> tuple[tuple[float, ...], float | None]:
    """Return the range of the bins, which the file does not say, and the focal length."""
    name = source.name.lower()
    if options.depth_range:
        return options.depth_range, None
    if 'nyu' in name:
        return NYU_RANGE, NYU_FOCAL
    if 'kitti' in name:
        return KITTI_RANGE, None
    raise ModelError(
        f'{source.name}: the file does not say how far its bins reach, and its name holds neither '
        '"nyu" (10 m) nor "kitti" (80 m); say it: --depth-range 0.001 10')


def _count(taps: int) -> str:
    return 'the last block' if taps == 1 else f'{taps} blocks'
