"""Start from weights in a local file: a checkpoint of this package or a timm VisionTransformer."""

from pathlib import Path

import torch

from mtshare_ros.errors import ModelError
from mtshare_ros.model.checkpoint import load_checkpoint, open_weights
from mtshare_ros.model.description import is_ours
from mtshare_ros.model.load_report import LoadReport
from mtshare_ros.model.network import MultiTaskNetwork, new_branches


def load_initial_weights(network: MultiTaskNetwork, path: Path) -> LoadReport:
    """
    Copy every tensor that has its place and shape in the network.

    Of a checkpoint that is any: tasks may differ, and blocks of a sub-task find their number where
    the file shares more or fewer. Of timm weights it is ``blocks.*``, ``norm.*`` and a patch
    projection. Where the file has no branch of a sub-task, that begins equal to the base task.
    Raises ModelError where the file cannot be read or nothing in it fits.
    """
    with open_weights(path) as file:
        if not is_ours(file.metadata()):
            return _copy(network, {name: file.get_tensor(name) for name in file.keys()}, 0, path)
    source = load_checkpoint(path).network
    tensors = {name: value for name, value in source.state_dict().items()
               if value.is_floating_point()}
    return _copy(network, tensors, source.config.shared_depth - network.config.shared_depth, path)


def _copy(
    network: MultiTaskNetwork, tensors: dict[str, torch.Tensor], shift: int, path: Path
) -> LoadReport:
    own = network.state_dict()
    fitting, left_out = {}, []
    for name, value in tensors.items():
        target = _place_of(name, shift)
        if target in own and own[target].shape == value.shape:
            fitting[target] = value
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
    return LoadReport(tuple(fitting), tuple(left_out), tuple(by_chance))


def _place_of(name: str, shift: int) -> str:
    """Return the name in the network; ``shift`` is how many blocks more the file shares."""
    if shift and name.startswith('branches.') and '.blocks.' in name:
        branch, _, place = name.partition('.blocks.')
        number, rest = place.split('.', 1)
        return f'{branch}.blocks.{int(number) + shift}.{rest}'
    return name.replace('patch_embed.', 'stem.', 1)
