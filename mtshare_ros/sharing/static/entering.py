"""What happens to a list of cells before the first block and between blocks, as operators."""

import torch

from mtshare_ros.sharing.level import Level, strips_of_cells
from mtshare_ros.sharing.rules import distance
from mtshare_ros.sharing.static.fused import Norm, residual_norm

FORCED, REPEATED = torch.finfo(torch.float32).max, -1.0
"""Scores of rows that are forced, and of those that repeat the entry before."""


def embed(
    tokens: torch.Tensor, position: torch.Tensor | None, cells: torch.Tensor
) -> torch.Tensor:
    """Return stem tokens (n, D) of cells (n,) in float32, at their ``position`` (N, D) if any."""
    return tokens.float() if position is None else position.index_select(0, cells) + tokens


def enter(
    tokens: torch.Tensor, position: torch.Tensor | None, index: torch.Tensor,
    reference: torch.Tensor, forced: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """
    Return what ``embed`` does for rows ``index`` (n,), and how urgent they are (n,) float32.

    ``forced`` (n,) bool come first, then those whose values lie farthest from their ``reference``
    (T, D) float32; what is not finite is ahead of all. Repetitions of the entry before, which
    fill a list up, come last, so that they take nothing from the others.
    """
    values = embed(tokens, position, index)
    scores = distance(values, reference.index_select(0, index)).masked_fill_(forced, FORCED)
    scores[1:].masked_fill_(index[1:] == index[:-1], REPEATED)
    return values, scores


def take(
    values: torch.Tensor, cells: torch.Tensor, places: torch.Tensor | None,
    reference: torch.Tensor, prefix: torch.Tensor, prefix_index: torch.Tensor, norm: Norm,
    dtype: torch.dtype,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """
    Make the rows of the first block of ``values`` (n, D) float32 of ``cells`` (n,).

    They are those at ``places`` (k,), None for all, which are kept as their ``reference`` (N, D),
    and the ``prefix`` (P, D) float32 at tokens ``prefix_index`` (P,). Returns their tokens
    (k + P,), themselves (1, k + P, D) and their norm in ``dtype``.
    """
    if places is not None:
        cells, values = cells.index_select(0, places), values.index_select(0, places)
    reference.index_copy_(0, cells, values)
    if prefix.shape[0]:
        cells, values = torch.cat((cells, prefix_index)), torch.cat((values, prefix))
    return cells, *residual_norm(values[None], None, None, norm, dtype)


def norm_store(
    values: torch.Tensor, norm: Norm, buffer: torch.Tensor, index: torch.Tensor
) -> None:
    """Write the norm of values (1 or M, n, D) float32 to rows ``index`` (n,) of (M, T, D)."""
    normed = residual_norm(values, None, None, norm, buffer.dtype)[1]
    buffer.index_copy_(1, index, normed.expand(buffer.shape[0], -1, -1))


def take_patches(
    image: torch.Tensor, patches: torch.Tensor, table: torch.Tensor, shift: torch.Tensor,
    unit: torch.Tensor, reference: torch.Tensor, side: int, block: int,
) -> None:
    """
    Let ``patches`` (n,) of an image (H, W, 3) uint8 enter a reference, ``side`` blocks a side.

    ``reference`` (blocks + 1, block ** 2 x 3) gets ``shift`` + pixels x ``unit``, blocks in raster
    order of the image; ``table`` is its ``patch_table``.
    """
    places = table.index_select(0, patches)
    strips = image.reshape(-1, block * 3)[places[:, :side ** 2 * block]]
    values = torch.addcmul(shift, strips.view(-1, block ** 2 * 3), unit)
    if side == 1:
        reference.index_copy_(0, patches, values)
    else:
        target = places[:, -side:]
        rows = reference[:-1].view(-1, side * reference.shape[1])
        rows[target] = values.view(*target.shape, -1)


def patch_table(grid: tuple[int, int], side: int, block: int) -> torch.Tensor:
    """
    Return where the patches of a (rows, columns) grid stand in an image and in its reference.

    For each patch (N, side ** 2 x block + side): which strips of ``block`` pixels of the image are
    its blocks, then which strips of ``side`` blocks of the reference they fill. The latter are
    left out where a patch is one block, whose number is its own.
    """
    rows, columns = grid
    strips = torch.arange(rows * columns * side ** 2 * block)
    image = strips.view(rows, side, block, columns, side).permute(0, 3, 1, 4, 2)
    image = image.reshape(rows * columns, -1)
    if side == 1:
        return image
    return torch.cat((image, strips_of_cells(Level(grid, side), torch.device('cpu'))), dim=1)
