"""From raw outputs of the network to maps in physical units."""

from dataclasses import dataclass

import numpy as np
import torch

from mtshare_ros.sharing.enlargement import enlarge
from mtshare_ros.tasks import TASKS, UNLABELLED

_BEYOND_RANK = 1e38
"""Makes the smallest difference of two logits larger than the largest class number."""


@dataclass(frozen=True)
class MapField:
    """One map of a task by its name in ``Prediction``: its dtype and values a pixel."""

    name: str
    dtype: torch.dtype
    channels: int = 1


_KINDS: dict[str, tuple[torch.dtype, int]] = {
    'class_logits': (torch.uint8, 1),
    'log_metres': (torch.float32, 1),
    'metres': (torch.float32, 1),
    'disparity': (torch.float32, 1),
    'direction': (torch.float32, 3),
    'logit': (torch.uint8, 1),
}
"""Dtype of a map and its values a pixel, by the encoding of its raw output."""

_OWN_NAMES = {'disparity': 'disparity'}
"""Names of maps, by encoding, that differ from the usual map of their task."""


def fields_of(task: str, encoding: str = '') -> tuple[MapField, ...]:
    """
    Return the maps of a task, the one it is scored by first.

    ``encoding`` is that of its head's raw output, empty for the usual one of the task.
    """
    encoding = encoding or TASKS[task].encoding
    own = MapField(_OWN_NAMES.get(encoding, TASKS[task].map), *_KINDS[encoding])
    return (own, MapField('confidence', torch.uint8)) if task == 'semseg' else (own,)


def holds_numbers_only(raw: torch.Tensor) -> bool:
    """Tell whether a raw output is free of NaN and infinity."""
    # a sum takes a tenth of the time of checking every number, and hardly ever overflows
    return bool(torch.isfinite(raw.sum())) or bool(torch.isfinite(raw).all())


def decode(
    task: str, raw: torch.Tensor, size: tuple[int, int], encoding: str = ''
) -> dict[str, np.ndarray]:
    """
    Return the maps (H, W) of one task by name in ``Prediction`` for its raw output (1, C, h, w).

    Values the network could not compute (NaN, infinity) become NaN or unlabelled. ``encoding`` is
    that of the raw output, empty for the usual one of the task.
    """
    # decoding overwrites its input
    large = enlarge(raw, size).clone(memory_format=torch.contiguous_format)
    maps = decode_pixels(task, large.flatten(2), encoding)
    shape = large.shape[2:]
    return {
        field.name: maps[field.name][0].unflatten(0, shape).cpu().numpy()
        for field in fields_of(task, encoding)
    }


def decode_pixels(
    task: str, values: torch.Tensor, encoding: str = ''
) -> dict[str, torch.Tensor]:
    """
    Return the maps of pixels by name in ``Prediction``, as ``decode`` does.

    ``values`` (n, C, p) are p enlarged raw outputs of n pieces of the image; they are overwritten.
    A map is (n, p), or (n, p, channels) where a pixel has several.
    """
    maps = decode_values(values, encoding or TASKS[task].encoding)
    return {field.name: found for field, found in zip(fields_of(task, encoding), maps)}


def decode_values(values: torch.Tensor, encoding: str) -> tuple[torch.Tensor, ...]:
    """Return the maps of an encoding as ``decode_pixels`` does, in the order of ``fields_of``."""
    return _DECODERS[encoding](values)


def _decode_labels(logits: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Return the best classes and the probabilities of those."""
    if logits.device.type != 'cpu':
        return _reduce_labels(logits)
    logits.sub_(logits.amax(dim=1, keepdim=True))
    # max() with indices is ten times slower on the CPU than without: the best class is the first
    # one whose difference from the maximum is zero
    count = logits.shape[1]
    ranks = torch.arange(count, 0, -1, dtype=torch.float32, device=logits.device)[:, None]
    first = torch.add(ranks, logits, alpha=_BEYOND_RANK).amax(dim=1)
    probability = 1 / logits.exp_().sum(dim=1)
    unknown = ~torch.isfinite(probability)
    return (
        (count - first).masked_fill_(unknown, UNLABELLED).to(torch.uint8),
        _to_byte(probability.masked_fill_(unknown, 0)),
    )


def _reduce_labels(logits: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Do the same as ``_decode_labels``, but read the logits three times instead of ten."""
    best = logits.max(dim=1).indices
    probability = logits.softmax(dim=1).amax(dim=1)
    return (best.masked_fill_(probability.isnan(), UNLABELLED).to(torch.uint8),
            _to_byte(probability.nan_to_num_(0.0)))


def _decode_depth(log_metres: torch.Tensor) -> tuple[torch.Tensor, ...]:
    metres = log_metres[:, 0].exp()
    return (metres.masked_fill_(metres == torch.inf, torch.nan),)


def _decode_metres(metres: torch.Tensor) -> tuple[torch.Tensor, ...]:
    known = (metres > 0) & (metres < torch.inf)
    return (metres.masked_fill_(~known, torch.nan)[:, 0],)


def _decode_disparity(disparity: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return (disparity.masked_fill_(disparity.abs() == torch.inf, torch.nan)[:, 0],)


def _decode_direction(direction: torch.Tensor) -> tuple[torch.Tensor, ...]:
    # norm() over a leading dimension is a hundred times slower on the CPU than this
    unit = direction * direction.square().sum(dim=1, keepdim=True).rsqrt_()
    return (unit.transpose(1, 2).contiguous(),)


def _decode_logit(logit: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return (_to_byte(logit[:, 0].sigmoid().nan_to_num_(0.0)),)


def _to_byte(share: torch.Tensor) -> torch.Tensor:
    """Return shares of 0 to 1 as 0 to 255; overwrites them."""
    return share.mul_(255).round_().to(torch.uint8)


_DECODERS = {
    'class_logits': _decode_labels,
    'log_metres': _decode_depth,
    'metres': _decode_metres,
    'disparity': _decode_disparity,
    'direction': _decode_direction,
    'logit': _decode_logit,
}
