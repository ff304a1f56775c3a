"""From raw outputs to maps, in operators that every runtime has, for any precision."""

from typing import Callable

import torch

from mtshare_ros.inference.postprocess import fields_of
from mtshare_ros.sharing.enlargement import enlarge
from mtshare_ros.tasks import TASKS, UNLABELLED


def decode_whole(
    task: str, raw: torch.Tensor, size: tuple[int, int], encoding: str = ''
) -> tuple[torch.Tensor, ...]:
    """
    Return the maps (H, W) or (H, W, channels), as ``fields_of``, of a raw output (1, C, h, w).

    They are those of ``inference.postprocess.decode``, except that an infinite depth stays one.
    """
    maps = _DECODERS[encoding or TASKS[task].encoding](enlarge(raw, size)[0])
    return maps[:len(fields_of(task, encoding))]


def _decode_classes(logits: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Return the best class and its probability (H, W) uint8 for logits (C, H, W)."""
    best = logits.argmax(dim=0).float()
    probability = logits.softmax(dim=0).amax(dim=0)
    known = probability == probability
    return _to_byte(best, known, UNLABELLED), _to_byte(probability * 255, known, 0)


def _decode_probability(logit: torch.Tensor) -> tuple[torch.Tensor, ...]:
    probability = logit[0].sigmoid()
    return (_to_byte(probability * 255, probability == probability, 0),)


def _decode_metres(metres: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return (torch.where(metres[0] > 0, metres[0], torch.nan),)


def _decode_direction(direction: torch.Tensor) -> tuple[torch.Tensor, ...]:
    unit = direction / direction.square().sum(dim=0, keepdim=True).sqrt()
    return (unit.permute(1, 2, 0),)


def _to_byte(value: torch.Tensor, known: torch.Tensor, otherwise: int) -> torch.Tensor:
    # TensorRT does nothing with bytes but to cast them from and to floating point
    return torch.where(known, value, float(otherwise)).round().to(torch.uint8)


_DECODERS: dict[str, Callable[[torch.Tensor], tuple[torch.Tensor, ...]]] = {
    'class_logits': _decode_classes,
    'log_metres': lambda raw: (raw[0].exp(),),
    'metres': _decode_metres,
    'disparity': lambda raw: (raw[0],),
    'direction': _decode_direction,
    'logit': _decode_probability,
}
