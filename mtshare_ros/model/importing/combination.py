"""Import of public weights that share one backbone as one multi-task model."""

from dataclasses import dataclass, replace
from typing import Sequence

import torch

from mtshare_ros.config import require
from mtshare_ros.errors import ConfigError, ModelError
from mtshare_ros.model.architecture import ArchitectureConfig, GEOMETRY, HeadConfig
from mtshare_ros.model.checkpoint import Checkpoint
from mtshare_ros.model.description import (
    ModelDescription,
    SINGLE,
    usual_depth_scaling,
    WeightSource,
)
from mtshare_ros.model.importing.public_backbone import (
    Backbone,
    check_kind,
    DEFAULT_INPUT,
    read_backbone,
)
from mtshare_ros.model.importing.public_dpt_heads import read_depth_anything, read_tips
from mtshare_ros.model.importing.public_heads import (
    HeadOptions,
    ImportedHead,
    labels_for,
    read_linear_heads,
)
from mtshare_ros.model.importing.source import reading, Source
from mtshare_ros.model.network import backbone_digest, build_model, first_difference
from mtshare_ros.tasks import LabelSet, ordered

BY_GEOMETRY = ('normals', 'edge')
"""Tasks whose maps can be computed from depths."""

_WITHOUT_WEIGHTS = (
    'num_heads', 'norm_eps', 'image_mean', 'image_std', 'position_interpolation')
"""Settings that change a backbone's features but are stored in no tensor."""


@dataclass(frozen=True)
class ImportOptions:
    """
    The user's choices for an import.

    ``tasks`` are the wanted ones, empty for all; ``by_geometry`` are computed from the depth even
    where a source has a head for them; ``labels`` and ``depth_range`` are used where the sources
    do not name theirs.
    """

    input_size: tuple[int, int] = DEFAULT_INPUT
    tasks: tuple[str, ...] = ()
    labels: LabelSet | None = None
    depth_range: tuple[float, ...] = ()
    by_geometry: tuple[str, ...] = ()


@dataclass(frozen=True)
class Part:
    """What was used of one source: its backbone and heads; and the names of its other tensors."""

    source: Source
    backbone: Backbone | None
    heads: tuple[ImportedHead, ...]
    unused: tuple[str, ...]


@dataclass(frozen=True)
class Imported:
    """An imported model, the origin of its parts, and notes on what was left out."""

    checkpoint: Checkpoint
    parts: tuple[Part, ...]
    notes: tuple[str, ...]


def combine_sources(
    sources: Sequence[Source], options: ImportOptions = ImportOptions()
) -> Imported:
    """
    Return a network of one backbone and every head that the sources have.

    Raises ModelError where there is no backbone or no head, where a backbone has parts that the
    network lacks, where backbones differ, and where two sources have a head for one task.
    """
    for source in sources:
        check_kind(source)
    found = [(source, read_backbone(source, options.input_size)) for source in sources]
    backbones = [item for _, item in found if item is not None]
    backbone = _only_backbone(backbones, sources)
    heads = [_heads_of(source, backbone, options) for source in sources]
    wanted = _chosen([head for own in heads for head in own], options, sources)
    architecture, notes = _with_geometry(_with_heads(backbone, wanted), wanted, options)
    parts = tuple(_part(source, own, [head for head in items if head in wanted])
                  for (source, own), items in zip(found, heads))
    checkpoint = _build(architecture, backbone, wanted, options)
    described = replace(checkpoint.description, sources=tuple(map(_weight_source, parts)))
    return Imported(replace(checkpoint, description=described), parts,
                    (*notes, *_disagreements(backbones)))


def _only_backbone(found: Sequence[Backbone], sources: Sequence[Source]) -> Backbone:
    if not found:
        names = next((list(source.tensors) for source in sources if source.tensors), ['none'])
        raise ModelError(
            f'{", ".join(source.name for source in sources)}: there is no backbone in it (the '
            f'first tensor is {names[0]}); name the file or folder of the backbone as well')
    first = found[0]
    for other in found[1:]:
        different = first_difference(first.tensors, other.tensors)
        if different is not None:
            raise ModelError(
                f'{other.source}: {different} differs from that of {first.source}, so '
                'these are two backbones, whose blocks cannot be shared; import each into a model '
                'of its own')
    return first


def _disagreements(backbones: Sequence[Backbone]) -> list[str]:
    """List settings in which sources of equal tensors differ; the first source's are used."""
    first = backbones[0]
    return [
        f'{name} of {first.source} is {getattr(first.architecture, name)}, which is used; that '
        f'of {other.source} is {getattr(other.architecture, name)}'
        for other in backbones[1:] for name in _WITHOUT_WEIGHTS
        if getattr(first.architecture, name) != getattr(other.architecture, name)]


def _heads_of(
    source: Source, backbone: Backbone, options: ImportOptions
) -> list[ImportedHead]:
    shape = backbone.architecture
    said = HeadOptions(options.labels, options.depth_range)
    with reading(source):
        return [*read_depth_anything(source, shape, said), *read_tips(source, shape),
                *read_linear_heads(source, shape, said)]


def _chosen(
    heads: Sequence[ImportedHead], options: ImportOptions, sources: Sequence[Source]
) -> list[ImportedHead]:
    wanted = [head for head in heads if head.task not in options.by_geometry
              and (not options.tasks or head.task in options.tasks)]
    if not wanted:
        tasks = f' for {", ".join(options.tasks)}' if heads else ''
        raise ModelError(
            f'{", ".join(source.name for source in sources)}: there is a backbone and no head'
            f'{tasks}, so the model would have no map (normals and edges by geometry need a '
            'depth head); name files with heads as well, or train heads: `initial:` of a recipe '
            'takes the same files (docs/training.md)')
    for number, head in enumerate(wanted):
        twin = next((other for other in wanted[:number] if other.task == head.task), None)
        if twin is not None:
            raise ModelError(
                f'{twin.source} and {head.source} both have a head for {head.task}; leave one '
                'out, or keep it out with --tasks in an import of its own')
    return wanted


def _with_heads(backbone: Backbone, heads: Sequence[ImportedHead]) -> ArchitectureConfig:
    try:
        return replace(backbone.architecture,
                       heads={head.task: head.config for head in heads})
    except ConfigError as error:
        raise ModelError(f'{backbone.source}: its heads cannot be built: {error}') from error


def _with_geometry(
    architecture: ArchitectureConfig, heads: Sequence[ImportedHead], options: ImportOptions
) -> tuple[ArchitectureConfig, tuple[str, ...]]:
    """Add the tasks that are computed from the depth map, and note those that cannot be."""
    present = {head.task: head for head in heads}
    depth = present.get('depth')
    derived, notes = {}, []
    for task in ordered((*(options.tasks or BY_GEOMETRY), *options.by_geometry)):
        if task in present:
            continue
        why = _why_not(task, depth)
        if why:
            notes.append(f'no {task}: no head for it was taken{why}')
        else:
            derived[task] = HeadConfig(kind=GEOMETRY)
            notes.append(f'{task}: computed from the depth map, by geometry')
    return replace(architecture, heads={**architecture.heads, **derived}), tuple(notes)


def _why_not(task: str, depth: ImportedHead | None) -> str:
    """Return why a task cannot be computed from the depth map, empty where it can."""
    if task not in BY_GEOMETRY:
        return ', and it cannot be computed from another map'
    if depth is None:
        return ', and there is no depth to compute it from'
    if task == 'normals' and depth.config.encoding == 'disparity':
        return ', and the depth is relative: without scale and shift it has no surfaces'
    return ''


def _build(
    architecture: ArchitectureConfig, backbone: Backbone, heads: Sequence[ImportedHead],
    options: ImportOptions,
) -> Checkpoint:
    labels = _labels(heads, options)
    network = build_model(architecture, architecture.heads, len(labels))
    tensors = {**backbone.tensors, **{
        f'heads.{head.task}.{name}': value for head in heads for name, value in
        head.tensors.items()}}
    _check_fit(tensors, network.state_dict(), backbone)
    network.load_state_dict(tensors, strict=False)
    depth = next((head for head in heads if head.task == 'depth'), None)
    focal = depth.focal_length if depth else None
    description = ModelDescription(
        architecture=architecture, tasks=ordered(architecture.heads), labels=labels,
        focal_length=focal and focal * architecture.input_size[1],
        depth_range=(depth.config.depth_range or None) if depth else None,
        trained_on=f'imported: {backbone.summary}; '
        + '; '.join(f'{head.summary} of {head.source}' for head in heads),
        depth_scaling=usual_depth_scaling(architecture),
        storage=SINGLE, backbone_sha256=backbone_digest(tensors))
    return Checkpoint(network.eval(), description)


def _labels(heads: Sequence[ImportedHead], options: ImportOptions) -> LabelSet:
    head = next((head for head in heads if head.task == 'semseg'), None)
    if head is None:
        return LabelSet('none', (), ())
    labels = options.labels or head.labels or labels_for(head.outputs, head.source)
    require(len(labels) == head.outputs, 'the number of labels', len(labels),
            f'{head.outputs}, the classes of the semantic head of {head.source}')
    return labels


def _check_fit(
    found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor], backbone: Backbone
) -> None:
    needed = {name for name, value in expected.items() if value.is_floating_point()}
    wrong = sorted(needed ^ set(found)) or [
        name for name, value in found.items() if value.shape != expected[name].shape]
    if wrong:
        shapes = [tuple(values[wrong[0]].shape) if wrong[0] in values else 'absent'
                  for values in (found, expected)]
        raise ModelError(
            f'{backbone.source}: {wrong[0]} is {shapes[0]} in the sources and {shapes[1]} in the '
            'network made for them; the files are damaged, or of another version than is read')
    damaged = next((name for name, value in found.items() if not torch.isfinite(value).all()), '')
    if damaged:
        raise ModelError(
            f'{backbone.source}: {damaged} holds NaN or infinity; the files are damaged, get them '
            'again')


def _part(
    source: Source, backbone: Backbone | None, heads: Sequence[ImportedHead]
) -> Part:
    used = set(backbone.used if backbone else ()).union(*(head.used for head in heads))
    return Part(source, backbone, tuple(heads),
                unused=tuple(name for name in source.tensors if name not in used))


def _weight_source(part: Part) -> WeightSource:
    taken = (('backbone',) if part.backbone else ()) + tuple(head.task for head in part.heads)
    return WeightSource(
        part.source.name, part.source.sha256, part.source.licence, taken, part.unused)
