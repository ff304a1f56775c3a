"""The backbone of a public vision transformer, converted to the layers of this package."""

from dataclasses import dataclass
import math
import re
from typing import Any, Mapping

import torch

from mtshare_ros.errors import ModelError
from mtshare_ros.model.architecture import ArchitectureConfig
from mtshare_ros.model.backbone import IMAGE_MEAN, IMAGE_STD
from mtshare_ros.model.importing.source import reading, Source
from mtshare_ros.model.importing.tensor_names import backbone_tensors, is_foreign

QKV = ('query', 'key', 'value')

HEAD_DIM = 64
"""Width of an attention head in every public model of the family."""

DEFAULT_INPUT = (336, 448)
"""Height and width; both are multiples of 14, 16 and 28."""

_GATED = re.compile(r'.*\.mlp\.(weights_in|weights_out|w12|w1|w2|w3|gate_proj|fc1_g)\..*')


def fold_block(
    found: dict[str, torch.Tensor], number: int, *, num_heads: int, rotary: bool
) -> dict[str, torch.Tensor]:
    """
    Return the tensors of block ``number`` by our names.

    LayerScale is multiplied into the matrices before it, query, key and value become one matrix,
    and a missing bias becomes zero. With ``rotary`` queries and keys are reordered, because
    ``RotaryTable`` rotates the first quarter of a head with the second and the third with the
    fourth, and DINOv3 the first half with the second.
    """
    prefix = f'blocks.{number}.'
    block = {name.removeprefix(prefix): value for name, value in found.items()
             if name.startswith(prefix)}
    _join_projections(block)
    if rotary:
        _order_for_rotation(block, num_heads)
    for scale, layer in (('scale1', 'attn.proj'), ('scale2', 'mlp.fc2')):
        factor = block.pop(scale, None)
        if factor is not None:
            block[f'{layer}.weight'] = block[f'{layer}.weight'] * factor[:, None]
            block[f'{layer}.bias'] = block[f'{layer}.bias'] * factor
    return {prefix + name: value for name, value in block.items()}


def _join_projections(block: dict[str, torch.Tensor]) -> None:
    """Join query, key and value in one matrix and one bias, with zeros for a missing bias."""
    if 'attn.qkv.weight' not in block:
        block['attn.qkv.weight'] = torch.cat([block.pop(f'attn.{part}.weight') for part in QKV])
    if 'attn.qkv.bias' not in block:
        zeros = torch.zeros(len(block['attn.qkv.weight']) // 3)
        block['attn.qkv.bias'] = torch.cat(
            [block.pop(f'attn.{part}.bias', zeros) for part in QKV])
    mask = block.pop('attn.qkv.bias_mask', None)
    if mask is not None:
        # a product would not do: where the mask is zero the bias may be NaN
        block['attn.qkv.bias'] = torch.where(mask == 0, 0.0, block['attn.qkv.bias'])


def _order_for_rotation(block: dict[str, torch.Tensor], num_heads: int) -> None:
    for part in ('weight', 'bias'):
        query, key, value = block[f'attn.qkv.{part}'].chunk(3)
        block[f'attn.qkv.{part}'] = torch.cat(
            (_swap_quarters(query, num_heads), _swap_quarters(key, num_heads), value))


def _swap_quarters(rows: torch.Tensor, num_heads: int) -> torch.Tensor:
    """Return the rows of each head with its second and third quarter swapped."""
    first, second, third, fourth = rows.unflatten(0, (num_heads, 4, -1)).unbind(1)
    return torch.stack((first, third, second, fourth), dim=1).flatten(0, 2)


@dataclass(frozen=True)
class Backbone:
    """
    Tensors by the names of this package, for a network of ``architecture`` without heads.

    ``used`` are the names they had in the source.
    """

    source: str
    architecture: ArchitectureConfig
    tensors: Mapping[str, torch.Tensor]
    used: frozenset[str]

    @property
    def summary(self) -> str:
        """A short text with its size and tokens."""
        shape = self.architecture
        count = shape.register_tokens
        registers = f', {count} register{"s" if count > 1 else ""}' if count else ''
        return (f'ViT of {shape.depth} blocks of width {shape.embed_dim}, patches of '
                f'{shape.patch_size}, {"a" if shape.class_token else "no"} class token{registers}')


def read_backbone(source: Source, input_size: tuple[int, int] = DEFAULT_INPUT) -> Backbone | None:
    """
    Return the backbone of a source, None where it has none.

    Raises ModelError for a backbone that this package cannot run, because parts are missing or
    patches have another size. Parts that the network lacks are found by ``check_kind``.
    """
    found, used = backbone_tensors(source.tensors, source.name)
    if not any(name.startswith('blocks.') for name in found):
        return None
    _check_complete(found, source.name)
    with reading(source):
        config = {**source.config, **source.config.get('backbone_config', {})}
        architecture = _architecture(found, config, source, input_size)
        tensors = _tensors(found, architecture)
    return Backbone(source.name, architecture, tensors, used)


def check_kind(source: Source) -> None:
    """Raise ModelError where a backbone has parts that the network of this package lacks."""
    foreign = next(filter(is_foreign, source.tensors), None)
    if foreign is not None and _GATED.fullmatch(foreign):
        raise ModelError(
            f'{source.name}: {foreign} belongs to a gated layer (SwiGLU), as the giant and the '
            '"plus" sizes have; import a small, base or large model, whose MLP is plain')
    if foreign is not None:
        raise ModelError(
            f'{source.name}: {foreign} is a part that the backbones of this package do not have, '
            'and without it this one would compute something else; it cannot be imported')


def _check_complete(found: Mapping[str, torch.Tensor], source: str) -> None:
    depth = _depth(found)
    needed = ['stem.proj.weight', 'stem.proj.bias']
    for number in range(depth):
        needed += [f'blocks.{number}.{layer}.{end}' for end in ('weight', 'bias') for layer in
                   ('norm1', 'norm2', 'attn.proj', 'mlp.fc1', 'mlp.fc2')]
        joined = f'blocks.{number}.attn.qkv.weight'
        needed += [joined] if joined in found else [
            f'blocks.{number}.attn.{part}.weight' for part in ('query', 'key', 'value')]
    if 'blocks.0.scale1' not in found:
        # without a table it would be a DINOv3, which has LayerScale
        needed.append('positions')
    missing = [name for name in needed if name not in found]
    if missing:
        raise ModelError(
            f'{source}: {missing[0]} and {len(missing) - 1} more tensors of a backbone of {depth} '
            'blocks are missing; the file is not complete, or of another family')


def _depth(found: Mapping[str, torch.Tensor]) -> int:
    return 1 + max(int(name.split('.')[1]) for name in found if name.startswith('blocks.'))


def _architecture(
    found: Mapping[str, torch.Tensor], config: Mapping[str, Any], source: Source,
    input_size: tuple[int, int],
) -> ArchitectureConfig:
    width, _, patch, _ = found['stem.proj.weight'].shape
    heads = config.get('num_attention_heads') or max(1, width // HEAD_DIM)
    activation = config.get('hidden_act', 'gelu')
    if activation != 'gelu':
        raise ModelError(
            f'{source.name}: its activation is {activation!r}; only gelu is supported')
    registers = found['registers'].shape[-2] if 'registers' in found else 0
    mean, std = _normalisation(config, source)
    return ArchitectureConfig(
        embed_dim=width, depth=_depth(found), num_heads=int(heads), stem='patch',
        mlp_ratio=len(found['blocks.0.mlp.fc1.weight']) / width, input_size=input_size,
        patch_size=patch, class_token='class_token' in found, register_tokens=registers,
        position='absolute' if 'positions' in found else 'rope_centred',
        position_grid=_position_grid(found['positions']) if 'positions' in found else (),
        position_interpolation=_interpolation(found, config, source),
        norm_eps=_norm_eps(found, config), image_mean=mean, image_std=std)


def _position_grid(positions: torch.Tensor) -> tuple[int, int]:
    """Return the grid of a table (1, N, D), with or without the class token, or (1, D, h, w)."""
    if positions.ndim == 4:
        return positions.shape[2], positions.shape[3]
    side = math.isqrt(positions.shape[-2])
    return side, side


def _interpolation(
    found: Mapping[str, torch.Tensor], config: Mapping[str, Any], source: Source
) -> str:
    """Return how the authors' own code interpolates the table for another grid."""
    if config.get('model_type') in ('tipsv2_vision_model', 'tipsv2_dpt'):
        return 'bilinear_antialias'
    if 'registers' in found:
        return 'bicubic_antialias'
    if any(name.endswith('embeddings.position_embeddings') for name in source.tensors):
        return 'bicubic'
    if 'blocks.0.scale1' not in found:  # MAE and MultiMAE
        return 'bicubic'
    # a mask token tells a file of DINOv2's authors from one of timm, which drops it
    meta = any(name.endswith('mask_token') for name in source.tensors)
    return 'bicubic_offset' if meta else 'bicubic_antialias'


def _norm_eps(found: Mapping[str, torch.Tensor], config: Mapping[str, Any]) -> float:
    return float(config.get('layer_norm_eps') or (1e-6 if 'positions' in found else 1e-5))


def _normalisation(
    config: Mapping[str, Any], source: Source
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation of 8-bit RGB that the source was trained with."""
    said = source.processor or config.get('pretrained_cfg', {})
    plain = (0.0, 0.0, 0.0), (255.0, 255.0, 255.0)
    if said.get('do_normalize') is False:
        return plain
    mean, std = (said.get(f'image_{name}') or said.get(name) for name in ('mean', 'std'))
    if mean and std:
        return tuple(255.0 * level for level in mean), tuple(255.0 * level for level in std)
    tips = str(config.get('model_type', '')).startswith('tipsv2')
    return plain if tips else (IMAGE_MEAN, IMAGE_STD)


def _tensors(
    found: dict[str, torch.Tensor], architecture: ArchitectureConfig
) -> dict[str, torch.Tensor]:
    tensors = {name: found[name] for name in ('stem.proj.weight', 'stem.proj.bias')}
    for name in ('norm.weight', 'norm.bias'):
        if name in found:
            tensors[name] = found[name]
    for number in range(architecture.depth):
        tensors |= fold_block(found, number, num_heads=architecture.num_heads,
                              rotary=architecture.position == 'rope_centred')
    tensors |= _prefix_and_table(found, architecture.position_grid)
    return {name: value.contiguous() for name, value in tensors.items()}


def _prefix_and_table(
    found: Mapping[str, torch.Tensor], grid: tuple[int, ...]
) -> dict[str, torch.Tensor]:
    """Return the position table of the patches, and prefix tokens with their positions added."""
    tensors = {}
    token = found.get('class_token')
    if 'positions' in found:
        table = found['positions']
        table = table.flatten(2).transpose(1, 2) if table.ndim == 4 else table.reshape(
            1, -1, table.shape[-1])
        own = table.shape[1] - grid[0] * grid[1]
        if own and token is not None:
            token = token + table[:, :own]
        tensors['position.table'] = table[:, own:]
    rows = [value.reshape(-1, value.shape[-1])
            for value in (token, found.get('registers')) if value is not None]
    if rows:
        tensors['prefix.tokens'] = torch.cat(rows)
    return tensors
