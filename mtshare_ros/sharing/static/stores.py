"""
What ends a layer of a head, as operators that one kernel can do.

``values`` are (H, p, C) of H heads, contiguous, and may be used up. ``bias`` (H, r, C) float32 is
added to them, None for nothing: row i of the values gets row i % r of it.
"""

import torch


def relu_store(
    values: torch.Tensor, bias: torch.Tensor | None, rows: torch.Tensor, index: torch.Tensor
) -> None:
    """Write the ReLU of values to rows ``index`` (p,) of maps (H, count + 1, C) in their dtype."""
    rows.index_copy_(1, index, _biased(values, bias).relu_())


def relu_bias(
    values: torch.Tensor, bias: torch.Tensor | None, dtype: torch.dtype
) -> torch.Tensor:
    """Return the ReLU of values in ``dtype``."""
    if bias is not None:
        values = (values.unflatten(1, (-1, bias.shape[1])) + bias[:, None]).flatten(1, 2)
    return values.to(dtype).relu_()


def store(
    values: torch.Tensor, bias: torch.Tensor | None, rows: torch.Tensor, index: torch.Tensor
) -> None:
    """Write values to rows ``index`` (p,) of maps (H, count + 1, C) in their dtype."""
    rows.index_copy_(1, index, _biased(values, bias))


def _biased(values: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    if bias is not None:
        values.unflatten(1, (-1, bias.shape[1])).add_(bias[:, None])
    return values
