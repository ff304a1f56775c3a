"""The network a stage starts from: where its weights come from, and which of them learn."""

from dataclasses import dataclass, replace
from pathlib import Path
import re
from typing import Iterable, Iterator, Mapping

import torch
from torch import nn

from mtshare_ros.errors import ModelError
from mtshare_ros.model.architecture import ArchitectureConfig
from mtshare_ros.model.backbone import AbsolutePosition
from mtshare_ros.model.checkpoint import load_checkpoint
from mtshare_ros.model.description import is_ours
from mtshare_ros.model.importing.public_backbone import Backbone, read_backbone
from mtshare_ros.model.importing.source import open_source
from mtshare_ros.model.manifest import find_model
from mtshare_ros.model.network import build_model, MultiTaskNetwork, new_branches
from mtshare_ros.model.weight_files import open_weights
from mtshare_ros.training.delta_weights import attach_gates, attach_support, DeltaGates
from mtshare_ros.training.recipe import StageRun
from mtshare_ros.training.stage_config import SUB

_MEANINGS = (
    (r'position\.table', 'learnt positions, which this network does not have '
     '(architecture.position); the blocks have to learn positions anew'),
    (r'prefix\.tokens', 'class and register tokens, of which this network has none or another '
     'number (architecture.class_token, register_tokens); the blocks learnt to attend to them'),
    (r'(.*\.)?mask_token', "the token of hidden patches, which only the source's training needs"),
    (r'.*\.(q_norm|k_norm)\..*', 'norms of queries and keys, which these blocks do not '
     'have; their attention computes something else'),
    (r'blocks\..*', 'parts of blocks that this network does not have, or has in another shape'),
    (r'((neck|head\.conv\d|decode_head|(depth|normals|segmentation)_head|decoder|(in|out)put_'
     r'adapters)\.|decoder_).*', 'heads and decoders of the source; mtshare import makes a model '
     'of those that give maps'),
    (r'(head|head_dist|fc_norm|attn_pool)\..*', 'the classifier, which no task needs'),
    (r'heads\..*', 'decode heads of other tasks, or for other classes'),
    (r'branches\..*', 'delta weights of other sub-tasks, or of blocks that are shared here'),
    (r'(patch_embed|stem)\..*', 'the stem, which differs in this network '
     '(architecture.stem)'),
    (r'norm(_pre)?\..*', 'a norm that this network does not have, or has in another width'),
)
"""What it means to leave a tensor out, by a pattern of its whole name; the first match counts."""

_TABLE = 'position.table'

_STEM = ('stem.proj.weight', 'stem.proj.bias')

_ALIKE = ('num_heads', 'norm_eps', 'image_mean', 'image_std')
"""Settings without weights that must equal the source's, or its blocks compute something else."""


@dataclass(frozen=True)
class LoadReport:
    """
    Which tensors of the network were loaded, and which tensors of the file were left out.

    ``random`` are the network's tensors that the file does not have; they keep random weights.
    Branches are not among them, because they start equal to the base task. ``notes`` say what else
    differs from the file's network.
    """

    loaded: tuple[str, ...]
    left_out: tuple[str, ...]
    random: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def explain(report: LoadReport, source: str) -> str:
    """
    Say what was read from a file, what was left out and why it matters, and what stays random.

    The first line is a summary; each further line is about one kind of tensor.
    """
    count = len(report.loaded)
    head = (f'{source}: {count} of {count + len(report.left_out)} tensors were read'
            + ('' if report.left_out or report.random or report.notes else
               ', which is all of the network'))
    return '\n'.join((head, *_left_out(report.left_out), *_by_chance(report.random),
                      *(f'  differs: {note}' for note in report.notes)))


def _left_out(names: Iterable[str]) -> Iterator[str]:
    kinds: dict[str, list[str]] = {}
    for name in names:
        kinds.setdefault(_meaning_of(name), []).append(name)
    for meaning, found in kinds.items():
        more = f' and {len(found) - 1} more' if len(found) > 1 else ''
        yield f'  left out: {found[0]}{more}: {meaning}'


def _by_chance(names: tuple[str, ...]) -> Iterator[str]:
    parts = dict.fromkeys('.'.join(name.split('.')[:2]) if name.startswith(('heads.', 'blocks.'))
                          else name.split('.')[0] for name in names)
    if parts:
        yield f'  starts from random weights: {", ".join(parts)}'


def _meaning_of(name: str) -> str:
    return next((meaning for pattern, meaning in _MEANINGS if re.fullmatch(pattern, name)),
                'this network has no tensor of that name')


def load_initial_weights(network: MultiTaskNetwork, path: Path) -> LoadReport:
    """
    Copy every tensor of a file that the network has in the same shape.

    The file may be a checkpoint with other tasks, or with more or fewer shared blocks; the blocks
    of a sub-task are then renumbered. Of a file or folder that ``mtshare import`` reads, the
    backbone is copied: LayerScale is multiplied into the matrices, and positions of another grid
    are interpolated as the source does. A sub-task without a branch in the file starts equal to
    the base task. Raises ModelError where the file cannot be read or nothing in it fits.
    """
    if path.is_dir() or not _is_checkpoint(path):
        return _copy_public(network, path)
    source = load_checkpoint(path).network
    tensors = {name: value for name, value in source.state_dict().items()
               if value.is_floating_point()}
    shift = source.config.shared_depth - network.config.shared_depth
    return _copy(network, {_place_of(name, shift): (name, value)
                           for name, value in tensors.items()}, (), path)


def _is_checkpoint(path: Path) -> bool:
    with open_weights(path) as file:
        return is_ours(file.metadata())


def _copy_public(network: MultiTaskNetwork, path: Path) -> LoadReport:
    source = open_source(path)
    backbone = read_backbone(source)
    if backbone is None:
        raise ModelError(
            f'{path}: none of its {len(source.tensors)} tensors fits the network '
            f'{network.config}; the first is {next(iter(source.tensors), "none")}')
    tensors = dict(backbone.tensors)
    if _TABLE in tensors and network.config.position == 'absolute':
        tensors[_TABLE] = _table_for(network.config, backbone)
    unused = [name for name in source.tensors if name not in backbone.used]
    if network.stem.proj.weight.shape != tensors['stem.proj.weight'].shape:
        # a bias belongs to its matrix, and would fit any stem
        unused += [name for name in _STEM if tensors.pop(name) is not None]
    return _copy(network, {name: (name, value) for name, value in tensors.items()},
                 tuple(unused), path, _notes(network.config, backbone.architecture))


def _table_for(config: ArchitectureConfig, backbone: Backbone) -> torch.Tensor:
    """Return the table of positions for the network's grid, interpolated where it is another."""
    shape = backbone.architecture
    if shape.table_grid == config.table_grid:
        return backbone.tensors[_TABLE]
    position = AbsolutePosition(shape.table_grid, shape.embed_dim, shape.position_interpolation)
    with torch.no_grad():
        position.table.copy_(backbone.tensors[_TABLE])
        return position(config.table_grid)


def _notes(ours: ArchitectureConfig, theirs: ArchitectureConfig) -> tuple[str, ...]:
    """Say what the recipe must set so that the blocks compute what they did in the source."""
    names = list(_ALIKE)
    if ours.position != theirs.position:
        names.append('position')
    elif ours.position == 'absolute':
        names.append('position_interpolation')
    notes = [f'architecture.{name} is {getattr(ours, name)}, that of the source '
             f'{getattr(theirs, name)}'
             for name in names if getattr(ours, name) != getattr(theirs, name)]
    if ours.position == theirs.position == 'absolute' and ours.table_grid != theirs.table_grid:
        notes.append('the positions were interpolated from a grid of '
                     f'{theirs.table_grid} to {ours.table_grid}')
    return tuple(notes)


def _copy(
    network: MultiTaskNetwork, tensors: Mapping[str, tuple[str, torch.Tensor]],
    unused: tuple[str, ...], path: Path, notes: tuple[str, ...] = (),
) -> LoadReport:
    """Copy ``tensors``: name in the network to (name in the file, value)."""
    own = network.state_dict()
    fitting, left_out = {}, []
    for place, (name, value) in tensors.items():
        if place in own and own[place].shape == value.shape:
            fitting[place] = value
        else:
            left_out.append(name)
    if not fitting:
        raise ModelError(
            f'{path}: none of its {len(tensors)} tensors fits the network {network.config}; '
            f'the first is {next(iter(tensors), "none")}'
        )
    network.load_state_dict(fitting, strict=False)
    network.branches.update(new_branches(network, network.config.shared_depth))
    # the branches are the base task's now; what the file has of their own comes on top
    network.load_state_dict(fitting, strict=False)
    random = (name for name, value in own.items() if value.is_floating_point()
                 and name not in fitting and not name.startswith('branches.'))
    return LoadReport(tuple(fitting), (*left_out, *unused), tuple(random), notes)


def _place_of(name: str, shift: int) -> str:
    """Return a tensor's name in the network; the file shares ``shift`` blocks more."""
    if shift and name.startswith('branches.') and '.blocks.' in name:
        branch, _, place = name.partition('.blocks.')
        number, rest = place.split('.', 1)
        return f'{branch}.blocks.{int(number) + shift}.{rest}'
    return name


@dataclass(frozen=True)
class Prepared:
    """
    A stage's network before its first step, and the gates of its deltas where it learns some.

    ``initial`` reports what was loaded of the recipe's initial weights, None where there are none
    or where the stage continues another.
    """

    network: MultiTaskNetwork
    gates: DeltaGates | None
    initial: LoadReport | None


def prepare_network(run: StageRun, label_count: int, source: Path | None) -> Prepared:
    """
    Build the network of a stage, and choose which of its weights are trained.

    The recipe's initial weights are loaded first, then the model ``source`` of the stage that this
    one continues. Raises ModelError where a file does not fit.
    """
    architecture = replace(run.recipe.architecture, shared_blocks=run.shared_blocks)
    network = build_model(architecture, run.tasks, label_count)
    initial = None
    if run.recipe.initial:
        initial = load_initial_weights(network, initial_path(run.recipe.initial))
    if source is not None:
        load_initial_weights(network, source)
        initial = None
    gates = None
    if run.stage.learns_support:
        gates = attach_gates(network, run.task, run.plan.delta)
    elif run.stage.role == SUB:
        attach_support(network, run.task)
    _choose_trained(network, run)
    return Prepared(network, gates, initial)


def initial_path(initial: str) -> Path:
    """Return the file of a model by name or path, or a folder of public weights."""
    path = Path(initial).expanduser()
    return path if path.is_dir() and (path / 'config.json').is_file() else \
        find_model(initial).path


def set_modes(network: MultiTaskNetwork, run: StageRun) -> None:
    """
    Set batch norms and gates to the mode of the stage.

    Frozen parts are in evaluation mode. On clips every batch norm is, because a difference that
    comes from statistics of the batch would look like a change of the scene.
    """
    network.train(run.stage.role != SUB and not run.stage.clips and not run.stage.kept_features)
    if run.stage.kept_features:
        network.heads.train()
    if run.stage.frozen_stem:
        network.stem.eval()
    if run.stage.role == SUB:
        # in training mode, the gates of its deltas are random
        network.branches[run.task].train()
        network.heads[run.task].train(not run.stage.clips)


def _choose_trained(network: MultiTaskNetwork, run: StageRun) -> None:
    """Choose what is trained: of a sub-task its deltas and its head, not its norms."""
    network.requires_grad_(run.stage.role != SUB and not run.stage.kept_features)
    if run.stage.kept_features:
        network.heads.requires_grad_(True)
    if run.stage.frozen_stem:
        network.stem.requires_grad_(False)
    if run.stage.role == SUB:
        network.heads[run.task].requires_grad_(True)
        for block in network.own_blocks(run.task):
            for module in block.modules():
                if isinstance(module, nn.Linear):
                    module.parametrizations.requires_grad_(True)
