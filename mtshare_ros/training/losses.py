"""One loss per task; raw outputs are enlarged to the size of the truth."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch.nn import functional

from mtshare_ros.config import require
from mtshare_ros.data.batches import Batch
from mtshare_ros.tasks import TASKS, UNLABELLED
from mtshare_ros.training.config import LossConfig

EDGE_WEIGHT = 0.9
"""Share of the balanced loss that edge pixels, the rare class, carry on the rooms."""

PUBLISHED_EDGE_WEIGHT = 0.95
"""The same in the multi-task literature on real data sets."""

_BERHU_SHARE = 0.2


@dataclass(frozen=True)
class PartialLoss:
    """
    A mean loss as a sum and how much it is a mean of.

    Kept apart, so that processes that share a batch can divide by what all of them have.
    """

    total: torch.Tensor
    count: torch.Tensor


Loss = Callable[[torch.Tensor, torch.Tensor], PartialLoss]
"""Takes an enlarged raw output (B, C, h, w) float32 and the truth of Batch, see there."""


def check_losses(losses: Mapping[str, LossConfig]) -> None:
    """Raise ConfigError for a loss that does not exist."""
    for task, choice in losses.items():
        require(choice.loss in ('', *LOSSES), f'losses.{task}.loss', choice.loss,
                f'any of {", ".join(LOSSES)}')


def task_losses(
    raw: Mapping[str, torch.Tensor], batch: Batch, chosen: Mapping[str, LossConfig]
) -> dict[str, PartialLoss]:
    """Return the weighted loss of every task that has a raw output (B, C, H/4, W/4)."""
    return {task: _task_loss(task, value, batch.truth[task], chosen.get(task, LossConfig()))
            for task, value in raw.items()}


def _task_loss(
    task: str, raw: torch.Tensor, truth: torch.Tensor, choice: LossConfig
) -> PartialLoss:
    spec = TASKS[task]
    enlarged = functional.interpolate(
        raw.float(), truth.shape[-2:], mode='bilinear', align_corners=False)
    loss = LOSSES[choice.loss or spec.loss](enlarged, truth)
    return PartialLoss(loss.total * (choice.weight or spec.loss_weight), loss.count)


def _cross_entropy(logits: torch.Tensor, labels: torch.Tensor) -> PartialLoss:
    total = functional.cross_entropy(logits, labels, ignore_index=UNLABELLED, reduction='sum')
    return PartialLoss(total, (labels != UNLABELLED).sum())


def _log_l1(log_metres: torch.Tensor, depth: torch.Tensor) -> PartialLoss:
    valid = depth > 0
    error = (log_metres[:, 0] - depth.clamp(min=1e-3).log())[valid].abs()
    return PartialLoss(error.sum(), valid.sum())


def _l1(log_metres: torch.Tensor, depth: torch.Tensor) -> PartialLoss:
    valid = depth > 0
    return PartialLoss((log_metres[:, 0].exp() - depth)[valid].abs().sum(), valid.sum())


def _berhu(log_metres: torch.Tensor, depth: torch.Tensor) -> PartialLoss:
    """
    Reverse Huber: linear near 0, squared beyond a fifth of the largest error.

    That of the images at hand: of several processes, each looks at its own part of the batch.
    """
    valid = depth > 0
    error = (log_metres[:, 0].exp() - depth)[valid].abs()
    if not error.numel():
        return PartialLoss(error.sum(), valid.sum())
    limit = (_BERHU_SHARE * error.detach().amax()).clamp(min=1e-6)
    bent = torch.where(error <= limit, error, (error.square() + limit.square()) / (2 * limit))
    return PartialLoss(bent.sum(), valid.sum())


def _cosine(direction: torch.Tensor, normals: torch.Tensor) -> PartialLoss:
    valid = normals.square().sum(dim=1) > 0
    error = (1 - functional.cosine_similarity(direction, normals, dim=1))[valid]
    return PartialLoss(error.sum(), valid.sum())


def _normals_l1(direction: torch.Tensor, normals: torch.Tensor) -> PartialLoss:
    """Sum over the three components of the distance of unit vectors."""
    valid = normals.square().sum(dim=1) > 0
    error = (functional.normalize(direction, dim=1) - normals).abs().sum(dim=1)[valid]
    return PartialLoss(error.sum(), valid.sum())


def _balanced_bce(logit: torch.Tensor, truth: torch.Tensor) -> PartialLoss:
    return _weighted_bce(logit, truth, EDGE_WEIGHT)


def _published_bce(logit: torch.Tensor, truth: torch.Tensor) -> PartialLoss:
    return _weighted_bce(logit, truth, PUBLISHED_EDGE_WEIGHT)


def _shared_bce(logit: torch.Tensor, truth: torch.Tensor) -> PartialLoss:
    """
    Weigh each side by the other's share of the images, so that both count alike.

    Of several processes, each looks at its own part of the batch.
    """
    known = truth != UNLABELLED
    positive = (truth[known] > 0).float().mean() if known.any() else truth.new_tensor(0.5)
    return _weighted_bce(logit, truth, 1 - positive)


def _weighted_bce(
    logit: torch.Tensor, truth: torch.Tensor, weight: float | torch.Tensor
) -> PartialLoss:
    """Binary cross-entropy in which what is marked carries ``weight`` and the rest 1 - it."""
    known = truth != UNLABELLED
    logit, truth = logit[:, 0][known], truth[known]
    weights = torch.where(truth > 0, weight, 1 - weight)
    total = functional.binary_cross_entropy_with_logits(logit, truth, weights, reduction='sum')
    return PartialLoss(total, known.sum())


LOSSES: dict[str, Loss] = {
    'cross_entropy': _cross_entropy,
    'log_l1': _log_l1,
    'l1': _l1,
    'berhu': _berhu,
    'cosine': _cosine,
    'normals_l1': _normals_l1,
    'balanced_bce': _balanced_bce,
    'published_bce': _published_bce,
    'shared_bce': _shared_bce,
}
"""Loss functions by the name that a task specification or a recipe gives."""
