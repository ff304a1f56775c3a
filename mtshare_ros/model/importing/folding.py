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
    if 'attn.qkv.weight' not in block:
        _join_projections(block)
    _mend_bias(block)
    if rotary:
        _order_for_rotation(block, num_heads)
    for scale, layer in (('scale1', 'attn.proj'), ('scale2', 'mlp.fc2')):
        factor = block.pop(scale, None)
        if factor is not None:
            block[f'{layer}.weight'] = block[f'{layer}.weight'] * factor[:, None]
            block[f'{layer}.bias'] = block[f'{layer}.bias'] * factor
    return {prefix + name: value for name, value in block.items()}


def _join_projections(block: dict[str, torch.Tensor]) -> None:
    weights = [block.pop(f'attn.{part}.weight') for part in QKV]
    biases = [block.pop(f'attn.{part}.bias', torch.zeros(len(weight)))
              for part, weight in zip(QKV, weights)]
    block['attn.qkv.weight'], block['attn.qkv.bias'] = torch.cat(weights), torch.cat(biases)


def _mend_bias(block: dict[str, torch.Tensor]) -> None:
    mask = block.pop('attn.qkv.bias_mask', None)
    bias = block.get('attn.qkv.bias', torch.zeros(len(block['attn.qkv.weight'])))
    # the mask of a file that was never loaded into a model holds NaN where it lets through
    block['attn.qkv.bias'] = bias if mask is None else torch.where(mask == 0, 0.0, bias)


def _order_for_rotation(block: dict[str, torch.Tensor], num_heads: int) -> None:
    for part in ('weight', 'bias'):
        query, key, value = block[f'attn.qkv.{part}'].chunk(3)
        block[f'attn.qkv.{part}'] = torch.cat(
            (_swap_quarters(query, num_heads), _swap_quarters(key, num_heads), value))


def _swap_quarters(rows: torch.Tensor, num_heads: int) -> torch.Tensor:
    """Return the rows of each head with its second and third quarter swapped."""
    first, second, third, fourth = rows.unflatten(0, (num_heads, 4, -1)).unbind(1)
    return torch.stack((first, third, second, fourth), dim=1).flatten(0, 2)
