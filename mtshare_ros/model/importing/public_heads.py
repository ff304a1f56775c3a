"""Decode heads of public models: common parts, class names, and the linear heads of DINOv2."""

import colorsys
from dataclasses import dataclass
import re
from typing import Iterator, Mapping

import torch

from mtshare_ros.errors import ModelError
from mtshare_ros.model.architecture import ArchitectureConfig, HeadConfig, LINEAR
from mtshare_ros.model.importing.source import Source
from mtshare_ros.tasks import LabelSet, load_labels

NYU_RANGE, KITTI_RANGE = (0.001, 10.0), (0.001, 80.0)
NYU_FOCAL = 518.86 / 640
"""Focal length of NYUD-v2's camera over the width of its images."""

_SPREAD = {12: (3, 6, 9, 12), 24: (5, 12, 18, 24)}
"""Four blocks that heads on DINOv2 read, by the number of blocks."""

_KNOWN = {150: 'ade20k150', 21: 'pascal21', 40: 'nyu40'}
"""Label sets of this package by the number of their classes."""

_GOLDEN = 0.618033988749895
"""Steps of this size in hue keep the colours of neighbouring classes apart."""

_NUMBERED = re.compile(r'LABEL_\d+')

_BN_EPS = 1e-5
"""PyTorch's default of the batch norm; the files do not hold it."""


@dataclass(frozen=True)
class HeadOptions:
    """What the user adds where the files do not say it: labels, and the range of depths in m."""

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
    """Return tensors by our names, given as ours by theirs; raise ModelError for a missing one."""
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


def named_classes(source: Source, count: int) -> LabelSet | None:
    """Return the classes that a configuration names, None where it only numbers them."""
    names = source.config.get('id2label') or {}
    found = [str(names.get(str(number), f'LABEL_{number}')) for number in range(count)]
    if count > 255 or any(_NUMBERED.fullmatch(name) for name in found):
        return None
    return LabelSet(source.name, tuple(found), tuple(_color(number) for number in range(count)))


def labels_for(count: int, source: str) -> LabelSet:
    """Return the shipped label set of so many classes; raise ModelError where there is none."""
    if count not in _KNOWN:
        raise ModelError(
            f'{source}: its semantic head has {count} classes, and no label set of this package '
            f'has as many (there are {", ".join(map(str, _KNOWN.values()))}); give one with '
            '--labels FILE, a list of {id, name, rgb} as in config/labels/ade20k150.yaml')
    return load_labels(_KNOWN[count])


def _color(number: int) -> tuple[int, int, int]:
    """Return a colour that differs from those of the numbers around it."""
    red, green, blue = colorsys.hsv_to_rgb(
        number * _GOLDEN % 1, (0.55, 0.75, 0.95)[number % 3], (0.95, 0.75, 0.6)[number // 3 % 3])
    return round(255 * red), round(255 * green), round(255 * blue)


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
    # batch norm before the matrix is a scale and a shift, so it is multiplied into the matrix
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
    # 1 or 4 taps; where the head reads the class token of each as well, twice as many parts
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
    """Return the weights for patches and those for class tokens, which alternate by tap."""
    if not has_class:
        return {'from_tokens.weight': weight[:, :, None, None].contiguous()}
    patches, tokens = weight.unflatten(1, (taps, 2, -1)).unbind(2)
    return {'from_tokens.weight': patches.flatten(1)[:, :, None, None].contiguous(),
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
    """Return the range of the bins, which is not in the file, and the focal length."""
    name = source.name.lower()
    if options.depth_range:
        return options.depth_range, None
    if 'nyu' in name:
        return NYU_RANGE, NYU_FOCAL
    if 'kitti' in name:
        return KITTI_RANGE, None
    raise ModelError(
        f'{source.name}: the file does not say the range of its bins, and its name contains '
        'neither "nyu" (10 m) nor "kitti" (80 m); give the range: --depth-range 0.001 10')


def _count(taps: int) -> str:
    return 'the last block' if taps == 1 else f'{taps} blocks'
