"""Start from the weights of a timm VisionTransformer in a local file."""

from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file

from mtshare_ros.errors import ModelError
from mtshare_ros.model.checkpoint import check_weights_file
from mtshare_ros.model.network import MultiTaskNetwork, new_branches


@dataclass(frozen=True)
class LoadReport:
    """Which tensors of the file went into the network, and which were left out."""

    loaded: tuple[str, ...]
    left_out: tuple[str, ...]


def load_timm_weights(network: MultiTaskNetwork, path: Path) -> LoadReport:
    """
    Copy every tensor whose name and shape match: ``blocks.*``, ``norm.*`` and a patch projection.

    The base task gets them, and branches become its copies: their delta weights are zero.
    Raises ModelError where the file cannot be read or nothing in it fits.
    """
    check_weights_file(path)
    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise ModelError(f'{path}: not a readable safetensors file ({error})') from error
    own = network.state_dict()
    fitting, left_out = {}, []
    for name, value in tensors.items():
        target = name.replace('patch_embed.', 'stem.', 1)
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
    network.branches.update(new_branches(network, network.config.prefix))
    return LoadReport(tuple(fitting), tuple(left_out))
