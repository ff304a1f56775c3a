"""Factors and separate projections of a block, brought into the matrices this package has."""

import torch

QKV = ('query', 'key', 'value')


def fold_block(
    found: dict[str, torch.Tensor], number: int, *, num_heads: int, rotary: bool
) -> dict[str, torch.Tensor]:
    """
    Return the tensors of block ``number`` by our names.

    LayerScale goes into the matrices before it, query, key and value become one matrix, and a
    bias that is not there is zero. ``rotary`` orders queries and keys as ``RotaryTable`` turns
    them, for sources that turn the first half of a head with the second.
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
    """Make one matrix and one bias of what may be one, three, or partly absent."""
    if 'attn.qkv.weight' not in block:
        block['attn.qkv.weight'] = torch.cat([block.pop(f'attn.{part}.weight') for part in QKV])
    if 'attn.qkv.bias' not in block:
        zeros = torch.zeros(len(block['attn.qkv.weight']) // 3)
        block['attn.qkv.bias'] = torch.cat(
            [block.pop(f'attn.{part}.bias', zeros) for part in QKV])
    mask = block.pop('attn.qkv.bias_mask', None)
    if mask is not None:
        # where the mask is zero the bias may hold anything, NaN too
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
