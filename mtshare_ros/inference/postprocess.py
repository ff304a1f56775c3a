"""From raw network outputs to maps in physical units."""

import numpy as np
import torch
from torch.nn import functional

from mtshare_ros.model.head import OUTPUT_STRIDE
from mtshare_ros.tasks import TASKS, UNLABELLED


def enlarge(raw: torch.Tensor) -> torch.Tensor:
    """Bring raw outputs (B, C, H/4, W/4) to float32 (B, C, H, W), bilinearly."""
    return functional.interpolate(
        raw.float(), scale_factor=OUTPUT_STRIDE, mode='bilinear', align_corners=False)


def decode(task: str, raw: torch.Tensor) -> dict[str, np.ndarray]:
    """
    Return the maps of one task by field of ``Prediction`` for its raw output (1, C, H/4, W/4).

    Values the network could not compute (NaN, infinity) become NaN or unlabelled.
    """
    maps = _DECODERS[TASKS[task].encoding](enlarge(raw)[0])
    return {name: value.cpu().numpy() for name, value in maps.items()}


def _decode_labels(logits: torch.Tensor) -> dict[str, torch.Tensor]:
    best, mask = logits.max(dim=0)
    # in place: another array of this size costs more than the sum itself
    probability = 1 / logits.sub_(best).exp_().sum(dim=0)
    finite = torch.isfinite(probability)
    return {
        'mask': mask.to(torch.uint8).masked_fill(~finite, UNLABELLED),
        'confidence': (probability.nan_to_num(0.0) * 255).round().to(torch.uint8),
    }


def _decode_depth(log_metres: torch.Tensor) -> dict[str, torch.Tensor]:
    metres = log_metres[0].exp()
    return {'depth': metres.masked_fill(~torch.isfinite(metres), torch.nan)}


def _decode_direction(direction: torch.Tensor) -> dict[str, torch.Tensor]:
    # norm() over a leading dimension is a hundred times slower on the CPU than this
    unit = direction * direction.square().sum(dim=0).rsqrt()
    return {'normals': unit.permute(1, 2, 0).contiguous()}


def _decode_logit(logit: torch.Tensor) -> dict[str, torch.Tensor]:
    return {'edges': (logit[0].sigmoid().nan_to_num(0.0) * 255).round().to(torch.uint8)}


_DECODERS = {
    'class_logits': _decode_labels,
    'log_metres': _decode_depth,
    'direction': _decode_direction,
    'logit': _decode_logit,
}
