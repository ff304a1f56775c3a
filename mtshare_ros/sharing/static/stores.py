"""
What begins and ends a layer of heads, as operators that one kernel can do.

``values`` are (H, p, C) of H heads, contiguous, and may be used up. ``bias`` (H, r, C) float32 is
added to them, None for nothing: row i of the values gets row i % r of it. Maps are (H, count + 1,
C), and the rows ``index`` (p,) of them are written.
"""

import torch


def gather(source: torch.Tensor, table: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """Return rows (H, n, k C) of maps: for each index (n,) those that a table (N, k) names."""
    named = table.index_select(0, index).view(-1)
    return source.index_select(1, named).view(source.shape[0], index.shape[0], -1)


def relu_store(
    values: torch.Tensor, bias: torch.Tensor | None, rows: torch.Tensor, index: torch.Tensor
) -> None:
    """Write the ReLU of values to maps in their dtype."""
    if bias is not None:
        values.unflatten(1, (-1, bias.shape[1])).add_(bias[:, None])
    rows.index_copy_(1, index, values.relu_())


def predict(
    values: torch.Tensor, bias: torch.Tensor | None, matrices: torch.Tensor,
    offsets: torch.Tensor, rows: torch.Tensor, index: torch.Tensor,
) -> None:
    """
    Write a linear layer of the ReLU of values to maps; it is in float32, and so are they.

    ``matrices`` are (H, C, outputs), ``offsets`` (H, 1, outputs).
    """
    if bias is not None:
        values = (values.unflatten(1, (-1, bias.shape[1])) + bias[:, None]).flatten(1, 2)
    hidden = values.float().relu_()
    if hidden.shape[0] == 1:
        found = torch.addmm(offsets[0, 0], hidden[0], matrices[0])[None]
    else:
        found = torch.bmm(hidden, matrices).add_(offsets)
    rows.index_copy_(1, index, found)
