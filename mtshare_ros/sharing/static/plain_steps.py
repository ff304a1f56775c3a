"""
The steps that one kernel can do, each written as several operators of PyTorch.

They run on every device, and kernels are compared with them.

Steps of heads: ``values`` (H, p, C) are of H heads, contiguous, and may be overwritten; ``bias``
(H, r, C) float32 or None is added to them, its row i % r to row i. Maps are (H, count + 1, C), of
which the rows ``index`` (p,) are written.

Steps of the gate: ``marks`` (4, N) bool say which of N patches changed, are due for a refresh, are
transmitted, and enter the network.
"""

from dataclasses import dataclass
from typing import Sequence

import torch
from torch import nn
from torch.nn import functional

from mtshare_ros.sharing.gates import distance


@dataclass(frozen=True)
class Norm:
    """
    Layer norms of M encoders.

    ``weight`` and ``bias`` float32 are (D,) where all encoders have the same, else (M, 1, D).
    """

    weight: torch.Tensor
    bias: torch.Tensor
    eps: float

    @property
    def differs(self) -> bool:
        """Whether the encoders have different norms."""
        return self.weight.ndim > 1

    def last(self, encoders: int) -> 'Norm':
        """Return the norms of the last ``encoders`` ones."""
        if not self.differs:
            return self
        return Norm(self.weight[-encoders:], self.bias[-encoders:], self.eps)

    @classmethod
    def of(cls, norms: Sequence[nn.LayerNorm]) -> 'Norm':
        """Return the layer norms of several encoders as one."""
        weights, biases = ([value.detach().float() for value in values] for values in (
            [norm.weight for norm in norms], [norm.bias for norm in norms]))
        if all(torch.equal(value, values[0]) for values in (weights, biases) for value in values):
            return cls(weights[0], biases[0], norms[0].eps)
        return cls(torch.stack(weights)[:, None], torch.stack(biases)[:, None], norms[0].eps)


def residual_norm(
    values: torch.Tensor, update: torch.Tensor | None, update_bias: torch.Tensor | None,
    norm: Norm, dtype: torch.dtype,
) -> tuple[torch.Tensor, torch.Tensor]:
    """
    Return ``values`` + ``update`` + ``update_bias`` in float32, and its norm in ``dtype``.

    ``values`` (1 or M, n, D) float32 are returned themselves where ``update`` is None; ``update``
    (M, n, D) is of any float dtype, ``update_bias`` (M, 1, D).
    """
    if update is not None:
        values = values + update
    if update_bias is not None:
        # in place, because a bias comes only with an update, whose sum is new memory
        values.add_(update_bias)
    width = values.shape[-1:]
    if norm.differs:
        normed = torch.addcmul(
            norm.bias, functional.layer_norm(values, width, eps=norm.eps), norm.weight)
    else:
        normed = functional.layer_norm(values, width, norm.weight, norm.bias, norm.eps)
    return values, normed.to(dtype)


def rotate_and_store(
    qkv: torch.Tensor, bias: torch.Tensor | None, rotation: torch.Tensor | None,
    cache: torch.Tensor, index: torch.Tensor, heads: int,
) -> torch.Tensor:
    """
    Rotate queries and keys, store keys and values; return the queries (M, n, D).

    ``qkv`` (M, n, 3D) is overwritten; ``bias`` (M, 1, 3D) is added to it. ``rotation`` (n, 2,
    head_dim) are cosines and signed sines of the tokens' positions as in
    ``attention.TokenRotation``, None without rotary positions. ``cache`` (M, T, 2D) gets keys and
    values at tokens ``index`` (n,).
    """
    width = cache.shape[-1] // 2
    if bias is not None:
        qkv = qkv.add_(bias)
    if rotation is not None:
        _rotate(qkv[..., :2 * width].unflatten(-1, (2 * heads, -1)), rotation)
    cache.index_copy_(1, index, qkv[..., width:])
    return qkv[..., :width]


def bias_gelu(rows: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """Return the exact GELU of ``rows`` (M, n, F) + ``bias`` (M, 1, F); overwrites ``rows``."""
    return functional.gelu(rows if bias is None else rows.add_(bias))


def _rotate(vectors: torch.Tensor, rotation: torch.Tensor) -> None:
    """Rotate vectors (M, n, vectors, head_dim) in place."""
    cosine, sine = rotation[:, :1], rotation[:, 1:]
    turned = vectors.unflatten(-1, (2, 2, -1)).flip(-2).flatten(-3)
    vectors.mul_(cosine).addcmul_(turned, sine)


FORCED, REPEATED = torch.finfo(torch.float32).max, -1.0
"""Scores of forced tokens, and of entries that repeat the one before."""


def embed(
    tokens: torch.Tensor, position: torch.Tensor | None, patches: torch.Tensor
) -> torch.Tensor:
    """Return stem tokens (n, D) of patches (n,) as float32, plus any ``position`` (N, D)."""
    return tokens.float() if position is None else position.index_select(0, patches) + tokens


def enter(
    tokens: torch.Tensor, position: torch.Tensor | None, index: torch.Tensor,
    reference: torch.Tensor, forced: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """
    Return what ``embed`` does for tokens ``index`` (n,), and how urgent each is, (n,) float32.

    Values that are not finite are the most urgent, then the ``forced`` (n,) bool, then those
    farthest from their ``reference`` (T, D) float32. Entries that repeat the one before, which
    fill a list up, come last, so that they replace no others.
    """
    values = embed(tokens, position, index)
    # NaN needs no mark: topk and argsort put it before all numbers
    scores = distance(values, reference.index_select(0, index)).masked_fill_(forced, FORCED)
    scores[1:].masked_fill_(index[1:] == index[:-1], REPEATED)
    return values, scores


def take(
    values: torch.Tensor, patches: torch.Tensor, places: torch.Tensor | None,
    reference: torch.Tensor, prefix: torch.Tensor, prefix_index: torch.Tensor, norm: Norm,
    dtype: torch.dtype,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """
    Return the input of the first block, made of ``values`` (n, D) float32 of ``patches`` (n,).

    It consists of the values at ``places`` (k,), None for all, which become their ``reference``
    (N, D), and of the ``prefix`` (P, D) float32, whose tokens are ``prefix_index`` (P,). Returns
    the tokens (k + P,), their values (1, k + P, D) and the norm of these in ``dtype``.
    """
    if places is not None:
        patches, values = patches.index_select(0, places), values.index_select(0, places)
    reference.index_copy_(0, patches, values)
    if prefix.shape[0]:
        patches, values = torch.cat((patches, prefix_index)), torch.cat((values, prefix))
    return patches, *residual_norm(values[None], None, None, norm, dtype)


def norm_store(
    values: torch.Tensor, norm: Norm, buffer: torch.Tensor, index: torch.Tensor
) -> None:
    """Write the norm of values (1 or M, n, D) float32 to rows ``index`` (n,) of (M, T, D)."""
    normed = residual_norm(values, None, None, norm, buffer.dtype)[1]
    buffer.index_copy_(1, index, normed.expand(buffer.shape[0], -1, -1))


def take_patches(
    image: torch.Tensor, transmitted: torch.Tensor, table: torch.Tensor, shift: torch.Tensor,
    unit: torch.Tensor, reference: torch.Tensor, side: int, block: int,
) -> None:
    """
    Copy ``transmitted`` patches (n,) of an image (H, W, 3) uint8 into a reference image.

    A patch has ``side`` x ``side`` blocks of ``block`` x ``block`` pixels. ``reference`` (blocks +
    1, block ** 2 x 3) gets ``shift`` + pixels x ``unit``, its blocks in raster order of the image;
    ``table`` is the ``transmitted_table``.
    """
    places = table.index_select(0, transmitted)
    strips = image.reshape(-1, block * 3)[places[:, :side ** 2 * block]]
    values = torch.addcmul(shift, strips.view(-1, block ** 2 * 3), unit)
    if side == 1:
        reference.index_copy_(0, transmitted, values)
    else:
        target = places[:, -side:]
        rows = reference[:-1].view(-1, side * reference.shape[1])
        rows[target] = values.view(*target.shape, -1)


def gather(source: torch.Tensor, table: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """Return rows (H, n, k C) of maps: for each index (n,) those that a table (N, k) names."""
    named = table.index_select(0, index).view(-1)
    return source.index_select(1, named).view(source.shape[0], index.shape[0], -1)


def relu_store(
    values: torch.Tensor, bias: torch.Tensor | None, rows: torch.Tensor, index: torch.Tensor
) -> None:
    """Write the ReLU of values to maps, in the dtype of the maps."""
    if bias is not None:
        values.unflatten(1, (-1, bias.shape[1])).add_(bias[:, None])
    rows.index_copy_(1, index, values.relu_())


def predict(
    values: torch.Tensor, bias: torch.Tensor | None, matrices: torch.Tensor,
    offsets: torch.Tensor, rows: torch.Tensor, index: torch.Tensor,
) -> None:
    """
    Write a linear layer of the ReLU of values to maps, all in float32.

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


def mark(
    scores: torch.Tensor, turns: torch.Tensor, ages: torch.Tensor, controls: torch.Tensor,
    around: torch.Tensor, due: torch.Tensor, forced: torch.Tensor,
) -> torch.Tensor:
    """
    Return the marks of a frame without a budget; writes ``due`` and ``forced`` (N,) bool.

    ``controls`` are as ``Controls`` writes them; ``around`` (N, k) int32 are the patches whose
    change makes each patch enter.
    """
    threshold, turn, due_age, _, _, halo = controls.unbind()
    fired = scores > threshold
    torch.logical_or(turns == turn, ages >= due_age, out=due)
    return marks_of(fired, due, fired | due, fired, halo, around, forced)


def marks_of(
    fired: torch.Tensor, due: torch.Tensor, active: torch.Tensor, changed: torch.Tensor,
    halo: torch.Tensor, around: torch.Tensor, forced: torch.Tensor,
) -> torch.Tensor:
    """Return the marks where ``active`` patches (N,) bool are transmitted; writes ``forced``."""
    affected = any_of(changed, around)
    torch.logical_or(due, torch.logical_and(affected, halo), out=forced)
    return torch.stack((fired, due, active, active | affected))


def any_of(mask: torch.Tensor, sources: torch.Tensor) -> torch.Tensor:
    """Return (n,) bool: whether any of an entry's sources (n, k) is true in a mask (N,)."""
    return mask.index_select(0, sources.view(-1)).view(sources.shape).any(dim=1)


def spread(marks: torch.Tensor, sources: torch.Tensor) -> torch.Tensor:
    """Return all marks in one row, then for each pixel whether any of its sources enters."""
    return torch.cat((marks.view(-1), any_of(marks[3], sources)))


def entries(
    running: torch.Tensor, bounds: torch.Tensor, ranks: torch.Tensor, numbers: torch.Tensor
) -> torch.Tensor:
    """
    Return the entries (E,) int64 of the lists of a ListTable, numbered within their masks.

    ``running`` (S + 1,) int32 is the running sum over the row of masks, beginning with 0;
    ``numbers`` (S,) int64 number the entries of each mask.
    """
    before, last = running.index_select(0, bounds).view(2, -1)
    ranks = torch.minimum(before + ranks, last)
    # mark number r is the first place where the running sum reaches r
    return numbers.index_select(0, torch.searchsorted(running[1:], ranks))


def settle(
    patches: torch.Tensor, current: torch.Tensor, reference: torch.Tensor, due: torch.Tensor,
    ages: torch.Tensor, oldest: torch.Tensor,
) -> None:
    """
    Copy transmitted patches (n,) of the ``current`` values to the reference, and count ages.

    All ``ages`` (N,) int32 grow by one, those of ``due`` patches become 0; the largest is written
    to ``oldest`` () int32.
    """
    reference.index_copy_(0, patches, current.index_select(0, patches))
    ages.add_(1).masked_fill_(due, 0)
    torch.amax(ages, 0, out=oldest)
