"""
The rules by which blocks drop rows, compute them and take them over.

The engine applies them to lists of rows (n, D), training to whole images (B, N, D) and with their
gradients.
"""

from operator import attrgetter

import torch

from mtshare_ros.model.backbone import Block


def spread_of(rows: torch.Tensor) -> torch.Tensor:
    """
    Return how far rows (..., N, D) spread, (...), which thresholds are relative to.

    The root mean square distance from their mean: what all rows have in common says nothing of
    how much one of them changed.
    """
    around = rows - rows.mean(dim=-2, keepdim=True)
    return around.square().sum(dim=-1).mean(dim=-1).sqrt()


def distance(rows: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """Return the distances (...) float32 between rows (..., D)."""
    return torch.linalg.vector_norm(rows - others, dim=-1, dtype=torch.float32)


def reuse_distance(
    gap: torch.Tensor, kept_gap: torch.Tensor, inputs: torch.Tensor, kept_inputs: torch.Tensor,
    share: torch.Tensor,
) -> torch.Tensor:
    """
    Return by how much taking rows over may be wrong, (...); ``reuse`` says why.

    ``gap`` (..., D) is x_s - x_b and ``inputs`` x_s, both beside what they were when the rows were
    computed; ``share`` is r, see ``delta_share``.
    """
    return distance(gap, kept_gap) + share * distance(inputs, kept_inputs)


def effective(threshold: float) -> float:
    """Return a threshold for ``passes``: one of 0 gates nothing, not even what is equal."""
    return threshold or -1.0


def passes(
    distances: torch.Tensor, bound: torch.Tensor, forced: torch.Tensor | None
) -> torch.Tensor:
    """Return which rows must be computed: forced ones, and those beyond a bound."""
    # written so that a row that is not a number passes, and with it the next good one
    passing = ~(distances <= bound)
    return passing if forced is None else forced | passing


def delta_share(own: Block, base: Block) -> torch.Tensor:
    """
    Return r, how large the delta weights of a sub-task's block are relative to the base weights.

    The larger of |W_s - W_b| / |W_b| over all matrices and the same over all vectors: where only
    norms or biases differ, the block is another one too. The weights of ``own`` may be
    parametrized; the gradient is 0 where they are the base's.
    """
    shares = []
    for vectors in (False, True):
        pairs = [(attrgetter(name)(own), weight) for name, weight in base.named_parameters()
                 if (weight.ndim == 1) is vectors]
        delta = torch.stack([(ours - shared).square().sum() for ours, shared in pairs]).sum()
        size = torch.stack([shared.square().sum() for _, shared in pairs]).sum()
        square = delta / size.clamp(min=1e-12)
        # the gradient of the root of 0 is infinite, which no where hides once the root is taken
        root = torch.where(square > 0, square, torch.ones_like(square)).sqrt()
        shares.append(torch.where(square > 0, root, square))
    return torch.stack(shares).amax()
