"""Steps of a block that one kernel can do, written as operators that run everywhere."""

from dataclasses import dataclass
from typing import Sequence

import torch
from torch import nn
from torch.nn import functional


@dataclass(frozen=True)
class Norm:
    """
    Layer norms of M members: ``weight`` and ``bias`` float32.

    They are (D,) where all members have the same, else (M, 1, D).
    """

    weight: torch.Tensor
    bias: torch.Tensor
    eps: float

    @property
    def differs(self) -> bool:
        """Whether members have norms of their own."""
        return self.weight.ndim > 1

    def last(self, members: int) -> 'Norm':
        """Return the norms of the last of the members."""
        if not self.differs:
            return self
        return Norm(self.weight[-members:], self.bias[-members:], self.eps)

    @classmethod
    def of(cls, norms: Sequence[nn.LayerNorm]) -> 'Norm':
        """Return the norms of members as one."""
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
    Return ``values`` + ``update`` + ``update_bias`` in float32, and the norm of it in ``dtype``.

    ``values`` (1 or M, n, D) float32 come back themselves where there is no update; ``update``
    (M, n, D) is of any float dtype, ``update_bias`` (M, 1, D).
    """
    if update is not None:
        values = values + update
    if update_bias is not None:
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
    Turn queries and keys by their positions, keep keys and values; return the queries (M, n, D).

    ``qkv`` (M, n, 3D) is used up; ``bias`` (M, 1, 3D) is added to it. ``rotation`` (n, 2,
    head_dim) are cosines and signed sines of the rows as in ``attention.RowRotation``, None where
    positions do not turn. ``cache`` (M, T, 2D) gets keys and values at tokens ``index`` (n,).
    """
    width = cache.shape[-1] // 2
    if bias is not None:
        qkv = qkv.add_(bias)
    if rotation is not None:
        _rotate(qkv[..., :2 * width].unflatten(-1, (2 * heads, -1)), rotation)
    cache.index_copy_(1, index, qkv[..., width:])
    return qkv[..., :width]


def bias_gelu(rows: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """Return the exact GELU of ``rows`` (M, n, F), used up, + ``bias`` (M, 1, F)."""
    return functional.gelu(rows if bias is None else rows.add_(bias))


def _rotate(vectors: torch.Tensor, rotation: torch.Tensor) -> None:
    """Turn vectors (M, n, vectors, head_dim) in place."""
    cosine, sine = rotation[:, :1], rotation[:, 1:]
    turned = vectors.unflatten(-1, (2, 2, -1)).flip(-2).flatten(-3)
    vectors.mul_(cosine).addcmul_(turned, sine)
