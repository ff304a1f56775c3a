"""One loss per task, on raw outputs enlarged to the size of the truth."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch.nn import functional

from mtshare_ros.config import require
from mtshare_ros.tasks import TASKS, UNLABELLED
from mtshare_ros.training.stage_config import LossConfig

EDGE_WEIGHT = 0.9
"""Weight of edge pixels, the rare class, in the balanced loss on the rooms."""

PUBLISHED_EDGE_WEIGHT = 0.95
"""The same in the multi-task literature on real data sets."""

_BERHU_SHARE = 0.2
_BALANCE, _LEAST_SHARE = 0.4, 2e-3


@dataclass(frozen=True)
class PartialLoss:
    """
    A mean loss as its sum and its number of items.

    They are kept apart so that several processes can divide by the number of all items.
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
    raw: Mapping[str, torch.Tensor], truth: Mapping[str, torch.Tensor],
    chosen: Mapping[str, LossConfig],
) -> dict[str, PartialLoss]:
    """Return the weighted loss of every task that has a raw output, see ``Batch`` for truth."""
    return {task: _task_loss(task, value, truth[task], chosen.get(task, LossConfig()))
            for task, value in raw.items()}


def _task_loss(
    task: str, raw: torch.Tensor, truth: torch.Tensor, choice: LossConfig
) -> PartialLoss:
    spec = TASKS[task]
    enlarged = functional.interpolate(
        # float32, because sums over all pixels need more digits than bf16 has
        raw.float(), truth.shape[-2:], mode='bilinear', align_corners=False)
    loss = LOSSES[choice.loss or spec.loss](enlarged, truth)
    return PartialLoss(loss.total * (choice.weight or spec.loss_weight), loss.count)


def _cross_entropy(logits: torch.Tensor, labels: torch.Tensor) -> PartialLoss:
    total = functional.cross_entropy(logits, labels, ignore_index=UNLABELLED, reduction='sum')
    return PartialLoss(total, (labels != UNLABELLED).sum())


def _balanced_dice(logits: torch.Tensor, labels: torch.Tensor) -> PartialLoss:
    """
    Cross-entropy in which rare classes count more, and half the Dice loss of the classes present.

    The weight of a pixel is its class's share of the labelled pixels to the power of -0.4, with a
    floor for small shares, because the metric is the mean over classes, not over pixels. Of
    several processes, each counts its own part of the batch.
    """
    known = labels != UNLABELLED
    if not known.any():
        # a zero with a gradient, so that a process without labels can still take part in the
        # backward pass
        return PartialLoss(logits.sum() * 0, known.sum())
    pixels = torch.bincount(labels[known], minlength=logits.shape[1]).float()
    share = pixels / pixels.sum()
    weights = share.clamp(min=_LEAST_SHARE) ** -_BALANCE
    weights = weights / (weights * share).sum()
    entropy = functional.cross_entropy(
        logits, labels, weights, ignore_index=UNLABELLED, reduction='sum')
    count = known.sum()
    return PartialLoss(entropy + 0.5 * count * _dice(logits, labels, pixels), count)


def _dice(logits: torch.Tensor, labels: torch.Tensor, pixels: torch.Tensor) -> torch.Tensor:
    """Return 1 - Dice, the mean over classes that have labels; ``pixels`` (C,) counts them."""
    known = labels != UNLABELLED
    chance = logits.softmax(dim=1) * known[:, None]
    place = torch.where(known, labels, 0)[:, None]
    hit = torch.zeros_like(pixels).index_add(
        0, place.flatten(), (chance.gather(1, place)[:, 0] * known).flatten())
    dice = 2 * hit / (chance.sum(dim=(0, 2, 3)) + pixels).clamp(min=1)
    return (1 - dice)[pixels > 0].mean()


def _log_l1(log_metres: torch.Tensor, depth: torch.Tensor) -> PartialLoss:
    valid = depth > 0
    # invalid depths are 0, whose logarithm is infinite; they are left out afterwards
    error = (log_metres[:, 0] - depth.clamp(min=1e-3).log())[valid].abs()
    return PartialLoss(error.sum(), valid.sum())


def _log_l1_shape(log_metres: torch.Tensor, depth: torch.Tensor) -> PartialLoss:
    """
    Log L1, plus half of it again without each image's own scale, and half the error of steps.

    A part of L1 in metres keeps far pixels from counting too little. The parts without scale carry
    over to scenes of another size. Steps are those between pixels 1, 2, 4 and 8 apart (Li and
    Snavely, CVPR 2018).
    """
    valid = depth > 0
    error = log_metres[:, 0] - depth.clamp(min=1e-3).log()
    metres = (log_metres[:, 0].exp() - depth)[valid].abs().sum()
    shapes = torch.stack([_shape_error(own, known) for own, known in zip(error, valid)])
    return PartialLoss(
        error[valid].abs().sum() + 0.5 * shapes.sum() + 0.15 * metres, valid.sum())


def _shape_error(error: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """Return the error (H, W) of a depth map without its scale, summed over valid pixels."""
    known = error[valid]
    if not known.numel():
        return known.sum()
    steps = torch.stack([_step_error(error, valid, 2 ** scale) for scale in range(4)])
    return (known - known.median()).abs().sum() + known.numel() * steps.mean()


def _step_error(error: torch.Tensor, valid: torch.Tensor, apart: int) -> torch.Tensor:
    """Return the mean error of the steps between pixels ``apart`` pixels apart, on both axes."""
    error, valid = error[::apart, ::apart], valid[::apart, ::apart]
    total = error.new_zeros(())
    for axis in (0, 1):
        count = valid.shape[axis] - 1
        both = valid.narrow(axis, 1, count) & valid.narrow(axis, 0, count)
        steps = error.diff(dim=axis)[both].abs()
        total = total + steps.sum() / max(1, steps.numel())
    return total


def _l1(log_metres: torch.Tensor, depth: torch.Tensor) -> PartialLoss:
    valid = depth > 0
    return PartialLoss((log_metres[:, 0].exp() - depth)[valid].abs().sum(), valid.sum())


def _berhu(log_metres: torch.Tensor, depth: torch.Tensor) -> PartialLoss:
    """
    Reverse Huber: linear near 0, squared beyond a fifth of the largest error.

    The largest error is that of the batch; of several processes, each uses its own part of it.
    """
    valid = depth > 0
    error = (log_metres[:, 0].exp() - depth)[valid].abs()
    if not error.numel():
        return PartialLoss(error.sum(), valid.sum())
    # at least 1e-6, so that a perfect estimate does not divide by zero
    knee = (_BERHU_SHARE * error.detach().amax()).clamp(min=1e-6)
    bent = torch.where(error <= knee, error, (error.square() + knee.square()) / (2 * knee))
    return PartialLoss(bent.sum(), valid.sum())


def _cosine(direction: torch.Tensor, normals: torch.Tensor) -> PartialLoss:
    valid = normals.square().sum(dim=1) > 0
    error = (1 - functional.cosine_similarity(direction, normals, dim=1))[valid]
    return PartialLoss(error.sum(), valid.sum())


def _chord(direction: torch.Tensor, normals: torch.Tensor) -> PartialLoss:
    """Sum the lengths of differences of unit vectors: close to the angle, which is the metric."""
    valid = normals.square().sum(dim=1) > 0
    difference = (functional.normalize(direction, dim=1) - normals).square().sum(dim=1)[valid]
    # the gradient of a square root is infinite at 0
    return PartialLoss((difference + 1e-6).sqrt().sum(), valid.sum())


def _normals_l1(direction: torch.Tensor, normals: torch.Tensor) -> PartialLoss:
    """Sum the L1 distances of unit vectors over their three components."""
    valid = normals.square().sum(dim=1) > 0
    error = (functional.normalize(direction, dim=1) - normals).abs().sum(dim=1)[valid]
    return PartialLoss(error.sum(), valid.sum())


def _balanced_bce(logit: torch.Tensor, truth: torch.Tensor) -> PartialLoss:
    return _weighted_bce(logit, truth, EDGE_WEIGHT)


def _published_bce(logit: torch.Tensor, truth: torch.Tensor) -> PartialLoss:
    return _weighted_bce(logit, truth, PUBLISHED_EDGE_WEIGHT)


def _shared_bce(logit: torch.Tensor, truth: torch.Tensor) -> PartialLoss:
    """
    Weigh each class by the other's share of the pixels, so that both count the same.

    Of several processes, each counts its own part of the batch.
    """
    known = truth != UNLABELLED
    positive = (truth[known] > 0).float().mean() if known.any() else truth.new_tensor(0.5)
    return _weighted_bce(logit, truth, 1 - positive)


def _weighted_bce(
    logit: torch.Tensor, truth: torch.Tensor, weight: float | torch.Tensor
) -> PartialLoss:
    """Binary cross-entropy; positive pixels weigh ``weight``, the others 1 - ``weight``."""
    known = truth != UNLABELLED
    logit, truth = logit[:, 0][known], truth[known]
    weights = torch.where(truth > 0, weight, 1 - weight)
    total = functional.binary_cross_entropy_with_logits(logit, truth, weights, reduction='sum')
    return PartialLoss(total, known.sum())


LOSSES: dict[str, Loss] = {
    'cross_entropy': _cross_entropy,
    'balanced_dice': _balanced_dice,
    'log_l1': _log_l1,
    'log_l1_shape': _log_l1_shape,
    'l1': _l1,
    'berhu': _berhu,
    'cosine': _cosine,
    'chord': _chord,
    'normals_l1': _normals_l1,
    'balanced_bce': _balanced_bce,
    'published_bce': _published_bce,
    'shared_bce': _shared_bce,
}
"""Loss functions by the name that a task specification or a recipe gives."""
