"""Models whose backbone does not ship: their heads in a file, and the two put together."""

from dataclasses import replace
from pathlib import Path
from typing import Mapping

from safetensors import SafetensorError
from safetensors.torch import save_file
import torch

from mtshare_ros.errors import ModelError
from mtshare_ros.model.backbone_digest import backbone_digest, is_backbone
from mtshare_ros.model.checkpoint import describe, load_checkpoint, open_weights
from mtshare_ros.model.description import (
    FORMAT,
    format_of,
    ModelDescription,
    to_header,
    WeightSource,
)
from mtshare_ros.model.importing.backbone import Backbone
from mtshare_ros.model.importing.source import Source
from mtshare_ros.model.writing import replacing

BACKBONE = 'backbone'
"""What a ``WeightSource`` names the encoder, in its ``parts``."""


def write_heads(
    path: Path, tensors: Mapping[str, torch.Tensor], description: ModelDescription
) -> None:
    """
    Write all of a network's tensors but the backbone's, with the description of the whole model.

    Matrices become float16, vectors float32. ``description.backbone_sha256`` is the digest of the
    backbone that the heads stand on. Raises ModelError where that is another one than the tensors
    hold, or the file cannot be written.
    """
    own = backbone_digest(tensors)
    if own != description.backbone_sha256:
        raise ModelError(f'{path}: the tensors are those of the backbone {own}, the description '
                         f'names {description.backbone_sha256 or "none"}; train the heads on it')
    heads = {
        name: value.detach().cpu().to(torch.float16 if value.ndim > 1 else torch.float32)
        .contiguous()
        for name, value in tensors.items() if value.is_floating_point() and not is_backbone(name)}
    _write(path, heads, to_header(description, FORMAT))


def read_heads(path: Path) -> ModelDescription:
    """Return what a file of heads says of the whole model; raise ModelError where it is none."""
    with open_weights(path) as file:
        description = describe(file.metadata(), path)
        complete = any(is_backbone(name) for name in file.keys())
    if complete or not description.backbone_sha256:
        raise ModelError(f'{path}: these are not the heads of a model without its backbone')
    return description


def join_heads(heads: Path, backbone: Backbone, source: Source, target: Path) -> ModelDescription:
    """
    Write a whole model file: heads, and the backbone that they were trained on.

    Returns what it says of itself. It is there in full or not at all, and was loaded before.
    Raises ModelError for another backbone, naming both digests and the way to train heads on it.
    """
    description = read_heads(heads)
    found = backbone_digest(backbone.tensors)
    if found != description.backbone_sha256:
        raise ModelError(_another(description, backbone, source, found))
    with open_weights(heads) as file:
        own = {name: file.get_tensor(name) for name in file.keys()}
        file_format = format_of(file.metadata(), str(heads))
    origin = WeightSource(source.name, source.sha256, source.licence, (BACKBONE,))
    others = (item for item in description.sources if BACKBONE not in item.parts)
    description = replace(description, sources=(origin, *others))
    _write(target, {**backbone.tensors, **own}, to_header(description, file_format), check=True)
    return description


def _write(
    path: Path, tensors: dict[str, torch.Tensor], header: dict[str, str], *, check: bool = False
) -> None:
    try:
        with replacing(path) as partial:
            save_file(tensors, partial, metadata=header)
            if check:
                load_checkpoint(partial)
    except (OSError, SafetensorError) as error:
        raise ModelError(f'{path}: cannot be written: {error}') from error


def _another(
    description: ModelDescription, backbone: Backbone, source: Source, found: str
) -> str:
    return (
        f'{source.path}: this is another backbone than the heads were trained on: the digest of '
        f'its tensors is {found} ({backbone.summary}), the heads need '
        f'{description.backbone_sha256}; nothing was written. Train heads on it: mtshare train '
        f'config/train/frozen.yaml --set initial={source.path} --output runs/real')
