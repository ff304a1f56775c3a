"""One loss per task; raw outputs are compared at half the input resolution."""

from typing import Callable

import torch
from torch.nn import functional

from mtshare_ros.data.batches import Batch
from mtshare_ros.tasks import TASKS, UNLABELLED

EDGE_WEIGHT = 0.9
"""Share of the edge loss that edge pixels, the rare class, carry."""


def task_losses(raw: dict[str, torch.Tensor], batch: Batch) -> dict[str, torch.Tensor]:
    """Return the weighted loss of every task for raw outputs (B, C, H/4, W/4)."""
    size = batch.labels.shape[-2:]
    return {
        name: TASKS[name].loss_weight * LOSSES[TASKS[name].loss](
            functional.interpolate(value.float(), size, mode='bilinear', align_corners=False),
            batch)
        for name, value in raw.items()
    }


def _cross_entropy(logits: torch.Tensor, batch: Batch) -> torch.Tensor:
    return functional.cross_entropy(logits, batch.labels, ignore_index=UNLABELLED)


def _log_l1(log_metres: torch.Tensor, batch: Batch) -> torch.Tensor:
    valid = batch.depth > 0
    return (log_metres[:, 0] - batch.depth.clamp(min=1e-3).log())[valid].abs().mean()


def _cosine(direction: torch.Tensor, batch: Batch) -> torch.Tensor:
    valid = batch.normals.square().sum(dim=1) > 0
    return (1 - functional.cosine_similarity(direction, batch.normals, dim=1))[valid].mean()


def _balanced_bce(logit: torch.Tensor, batch: Batch) -> torch.Tensor:
    weight = torch.where(batch.edges > 0, EDGE_WEIGHT, 1 - EDGE_WEIGHT)
    return functional.binary_cross_entropy_with_logits(logit[:, 0], batch.edges, weight=weight)


LOSSES: dict[str, Callable[[torch.Tensor, Batch], torch.Tensor]] = {
    'cross_entropy': _cross_entropy,
    'log_l1': _log_l1,
    'cosine': _cosine,
    'balanced_bce': _balanced_bce,
}
"""Loss functions by the name a task specification gives."""
