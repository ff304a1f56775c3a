"""Telling backbones apart, whatever file they came from."""

import hashlib
from typing import Iterable, Mapping

import torch

BACKBONE_PARTS = ('stem.', 'prefix.', 'position.', 'blocks.', 'norm.')
"""How the names of a backbone's tensors begin; heads and branches stand on it."""


def is_backbone(name: str) -> bool:
    """Tell whether a tensor of a network belongs to its backbone."""
    return name.startswith(BACKBONE_PARTS)


def backbone_digest(tensors: Mapping[str, torch.Tensor]) -> str:
    """
    Return the sha256 of the backbone among a network's tensors, in hexadecimal.

    Name, shape and float32 values of every tensor count, so the digest is the same for each
    source of the same weights, and another for weights that were rounded to float16.
    """
    digest = hashlib.sha256()
    for name in sorted(filter(is_backbone, _floating(tensors))):
        value = tensors[name].detach().to('cpu', torch.float32).contiguous()
        digest.update(f'{name} {tuple(value.shape)}\n'.encode())
        digest.update(value.numpy().astype('<f4', copy=False).tobytes())
    return digest.hexdigest()


def first_difference(
    ours: Mapping[str, torch.Tensor], theirs: Mapping[str, torch.Tensor]
) -> str | None:
    """Return the first backbone tensor that only one has or that differs, None for the same."""
    names = sorted(filter(is_backbone, {*_floating(ours), *_floating(theirs)}))
    return next((name for name in names if name not in ours or name not in theirs
                 or not torch.equal(ours[name], theirs[name])), None)


def _floating(tensors: Mapping[str, torch.Tensor]) -> Iterable[str]:
    return (name for name, value in tensors.items() if value.is_floating_point())
