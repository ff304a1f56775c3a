"""Start from weights in a file: a checkpoint of this package, or a public backbone."""

from pathlib import Path
from typing import Mapping

import torch

from mtshare_ros.errors import ModelError
from mtshare_ros.model.architecture import ArchitectureConfig
from mtshare_ros.model.backbone import AbsolutePosition
from mtshare_ros.model.checkpoint import load_checkpoint
from mtshare_ros.model.description import is_ours
from mtshare_ros.model.importing.public_backbone import Backbone, read_backbone
from mtshare_ros.model.importing.source import open_source
from mtshare_ros.model.load_report import LoadReport
from mtshare_ros.model.network import MultiTaskNetwork, new_branches
from mtshare_ros.model.weight_files import open_weights

_TABLE = 'position.table'
_STEM = ('stem.proj.weight', 'stem.proj.bias')
_ALIKE = ('num_heads', 'norm_eps', 'image_mean', 'image_std')
"""What has no weights, but has to be the source's for the blocks to compute what they did."""


def load_initial_weights(network: MultiTaskNetwork, path: Path) -> LoadReport:
    """
    Copy every tensor that has its place and shape in the network.

    Of a checkpoint that is any: tasks may differ, and blocks of a sub-task find their number where
    the file shares more or fewer. Of the sources of ``mtshare import``, files or folders, it is
    the backbone: LayerScale goes into the matrices, class and register tokens and positions are
    read, positions of another grid are interpolated as the source does. Where the file has no
    branch of a sub-task, that begins equal to the base task. Raises ModelError where the file
    cannot be read or nothing in it fits.
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
    """Say what the recipe has to name for the blocks to compute what they did in the source."""
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
    """Copy tensors, given with their names in the file by their places in the network."""
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
    by_chance = (name for name, value in own.items() if value.is_floating_point()
                 and name not in fitting and not name.startswith('branches.'))
    return LoadReport(tuple(fitting), (*left_out, *unused), tuple(by_chance), notes)


def _place_of(name: str, shift: int) -> str:
    """Return the name in the network; ``shift`` is how many blocks more the file shares."""
    if shift and name.startswith('branches.') and '.blocks.' in name:
        branch, _, place = name.partition('.blocks.')
        number, rest = place.split('.', 1)
        return f'{branch}.blocks.{int(number) + shift}.{rest}'
    return name
