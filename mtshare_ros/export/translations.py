"""Steps of the network on lists of rows, in the form that makes the leanest file."""

from dataclasses import replace
from typing import Any, Callable

import torch

from mtshare_ros.export.extras import require_library
from mtshare_ros.sharing.static.operators import PLAIN


def translations() -> dict[Callable[..., Any], Callable[..., Any]]:
    """Return how operators of PyTorch become those of ONNX, where its exporter does it worse."""
    return {torch.ops.aten.index_copy.default: _index_copy}


def _index_copy(rows: Any, dim: int, index: Any, values: Any) -> Any:
    """
    Write ``values`` to ``index`` (n,) of ``rows``, along their first dimension or the second.

    PyTorch's exporter would turn all rows around and back again to write along the second.
    """
    numpy, helper = require_library('numpy'), require_library('onnx').numpy_helper
    operators = require_library('onnxscript').opset18
    if dim % len(rows.shape) == 0:
        return operators.ScatterND(
            rows, operators.Unsqueeze(index, operators.Constant(value_ints=[-1])), values)
    shape = [rows.shape[0], index.shape[0], 1]
    first = numpy.broadcast_to(numpy.arange(shape[0])[:, None, None], shape)
    places = operators.Expand(
        operators.Unsqueeze(index, operators.Constant(value_ints=[0, 2])),
        operators.Constant(value_ints=shape))
    both = operators.Concat(
        operators.Constant(value=helper.from_array(first.copy())), places, axis=-1)
    return operators.ScatterND(rows, both, values)


def _rotate_and_store(
    qkv: torch.Tensor, bias: torch.Tensor | None, rotation: torch.Tensor | None,
    cache: torch.Tensor, index: torch.Tensor, heads: int,
) -> torch.Tensor:
    """See ``fused.rotate_and_store``; writes to nothing but the cache."""
    query, key, value = (qkv if bias is None else qkv + bias).chunk(3, dim=-1)
    if rotation is not None:
        query, key = (_rotated(rows, rotation, heads) for rows in (query, key))
    cache.index_copy_(1, index, torch.cat((key, value), dim=-1))
    return query


def _rotated(rows: torch.Tensor, rotation: torch.Tensor, heads: int) -> torch.Tensor:
    vectors = rows.unflatten(-1, (heads, -1))
    first, second, third, fourth = vectors.chunk(4, dim=-1)
    turned = torch.cat((second, first, fourth, third), dim=-1)
    return (vectors * rotation[:, :1] + turned * rotation[:, 1:]).flatten(-2)


OPERATORS = replace(PLAIN, rotate_and_store=_rotate_and_store)
"""The steps of a block, without writing to what they were given."""
