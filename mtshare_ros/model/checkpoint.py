"""Model files: safetensors whose header describes the network."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping

from safetensors import SafetensorError
from safetensors.torch import save_file
import torch

from mtshare_ros.config import to_values
from mtshare_ros.errors import ConfigError, ModelError
from mtshare_ros.model.deltas import compress, expand, is_index
from mtshare_ros.model.description import (
    FORMAT,
    format_of,
    ModelDescription,
    SINGLE,
    SPARSE_FORMAT,
    to_header,
)
from mtshare_ros.model.file_description import describe, unusable
from mtshare_ros.model.network import build_model, is_backbone, MultiTaskNetwork
from mtshare_ros.model.weight_files import open_weights, replacing
from mtshare_ros.tasks import ordered

ALLOWED_DTYPES = ('F16', 'BF16', 'F32')
"""Of weights, as safetensors names them; those of positions are in ``model/deltas.py``."""


@dataclass(frozen=True)
class Checkpoint:
    """A network with its weights, in evaluation mode on the CPU, and its description."""

    network: MultiTaskNetwork
    description: ModelDescription


def save_checkpoint(
    path: Path, network: MultiTaskNetwork, description: ModelDescription
) -> None:
    """
    Write weights and header: matrices in the description's dtype, vectors in float32.

    Of the sub-tasks' branches only what differs from the base task in that dtype is written.
    """
    matrices = torch.float32 if description.storage == SINGLE else torch.float16
    tensors = {
        name: value.detach().cpu().to(matrices if value.ndim > 1 else torch.float32).contiguous()
        for name, value in network.state_dict().items() if value.is_floating_point()
    }
    bases = network.counterparts()
    header = to_header(description, SPARSE_FORMAT if bases else FORMAT)
    with replacing(path) as partial:
        save_file(compress(tensors, bases), partial, metadata=header)


def save_described_anew(source: Path, target: Path, description: ModelDescription) -> None:
    """
    Write the weights of a model file, bit for bit, to a new file with another description.

    Raises ModelError where ``target`` exists or cannot be written: a model is never overwritten.
    """
    check_new(target)
    with open_weights(source) as file:
        header = to_header(description, format_of(file.metadata(), str(source)))
        tensors = _tensors_of(file)
    try:
        with replacing(target) as partial:
            save_file(tensors, partial, metadata=header)
    except (OSError, SafetensorError) as error:
        raise ModelError(f'{target}: cannot be written: {error}') from error


def check_new(path: Path) -> None:
    """Raise ModelError unless a new model file can be made here."""
    if path.exists():
        raise ModelError(
            f'{path}: this file exists, and a model is never overwritten; give another name or '
            'delete the file first')
    if not path.absolute().parent.is_dir():
        raise ModelError(
            f'{path}: there is no folder {path.absolute().parent}; create it first')


def load_checkpoint(path: Path) -> Checkpoint:
    """
    Build the network that a file describes and load its weights, with all delta weights filled in.

    Memory for the network is taken only after its weights were found in the file, because a
    damaged header may name any size.
    Raises ModelError where the file is missing, not safetensors, damaged, or does not fit.
    """
    with open_weights(path) as file:
        header = file.metadata()
        description = describe(header, path)
        outline = _outline(description, path)
        _check_dtypes(file, path)
        tensors = _tensors_of(file)
    _check_whole(description, tensors, path)
    if format_of(header, str(path)) == SPARSE_FORMAT:
        tensors = _merged(outline, tensors, path)
    _check_fit(outline, _expected(outline), tensors, path)
    _check_finite(tensors, path)
    network = build_model(description.architecture, description.tasks, len(description.labels))
    network.load_state_dict(tensors, strict=False)
    return Checkpoint(network.eval(), description)


def _outline(description: ModelDescription, path: Path) -> MultiTaskNetwork:
    """Return the described network without memory for its weights: names and shapes only."""
    try:
        with torch.device('meta'):
            return build_model(
                description.architecture, description.tasks, len(description.labels))
    except ConfigError as error:
        raise unusable(f'{path}: header: {error}') from error


def _tensors_of(file: Any) -> dict[str, torch.Tensor]:
    return {name: file.get_tensor(name) for name in file.keys()}


def _expected(network: MultiTaskNetwork) -> dict[str, torch.Tensor]:
    return {name: value for name, value in network.state_dict().items()
            if value.is_floating_point()}


def _check_whole(
    description: ModelDescription, tensors: dict[str, torch.Tensor], path: Path
) -> None:
    if description.backbone_sha256 and not any(map(is_backbone, tensors)):
        raise ModelError(f'{path}: these are heads without their backbone; make a model of them '
                         'with mtshare models add (mtshare models list shows the name)')


def _merged(
    network: MultiTaskNetwork, tensors: dict[str, torch.Tensor], path: Path
) -> dict[str, torch.Tensor]:
    """Return the tensors with complete ones for the branches, which are made from the others."""
    bases = network.counterparts()
    rest = {name: value for name, value in _expected(network).items() if name not in bases}
    found = {name: value for name, value in tensors.items() if not name.startswith('branches.')}
    # before ``expand``, which takes for granted that the base task's tensors are there
    _check_fit(network, rest, found, path)
    return expand(tensors, {name: tensors[base] for name, base in bases.items()}, str(path))


def _check_dtypes(file: Any, path: Path) -> None:
    for name in file.keys():
        dtype = file.get_slice(name).get_dtype()
        if dtype not in ALLOWED_DTYPES and not is_index(name):
            raise ModelError(
                f'{path}: {name} is {dtype}; allowed are {", ".join(ALLOWED_DTYPES)}: save the '
                'weights as one of them')


def _check_finite(tensors: dict[str, torch.Tensor], path: Path) -> None:
    for name, value in tensors.items():
        if not torch.isfinite(value).all():
            raise ModelError(
                f'{path}: {name} holds NaN or infinity; the file is damaged, or the training '
                'that wrote it diverged')


def _check_fit(
    network: MultiTaskNetwork, expected: dict[str, torch.Tensor],
    found: dict[str, torch.Tensor], path: Path,
) -> None:
    _check_keys(set(expected), set(found), network, path)
    for name, value in found.items():
        if value.shape != expected[name].shape:
            raise ModelError(
                f'{path}: {name} has the shape {tuple(value.shape)}, its own header needs '
                f'{tuple(expected[name].shape)}: {_shape_of(network)}'
            )


def _check_keys(
    expected: set[str], found: set[str], network: MultiTaskNetwork, path: Path
) -> None:
    missing, unexpected = sorted(expected - found), sorted(found - expected)
    if missing or unexpected:
        raise ModelError(
            f'{path}: the weights do not fit the network its header describes; '
            f'missing: {_first(missing)}; unexpected: {_first(unexpected)}; '
            f'header: {_shape_of(network)}; file: {len(found)} tensors, needed {len(expected)}'
        )


def _first(names: list[str]) -> str:
    return f'{names[0]} (and {len(names) - 1} more)' if names else 'none'


def _shape_of(network: MultiTaskNetwork) -> str:
    return f'{to_values(network.config)}, tasks {", ".join(network.tasks)}'


@dataclass(frozen=True)
class Storage:
    """Bytes of the weights in a model file, without its header."""

    base_bytes: int
    """The stem and the base task's encoder."""
    delta_bytes: Mapping[str, int]
    """What every sub-task adds to the encoder: values and their positions."""
    head_bytes: Mapping[str, int]
    """The decode head of every task."""

    @property
    def ratio(self) -> float:
        """Bytes of all encoders over those of the base task's, without heads: 1 or more."""
        return 1 + sum(self.delta_bytes.values()) / self.base_bytes


def storage_of(path: Path) -> Storage:
    """Return the bytes of each part of a model file; raise ModelError for any other file."""
    sizes: Counter[tuple[str, str]] = Counter()
    with open_weights(path) as file:
        tasks = ordered(describe(file.metadata(), path).tasks)
        for name in file.keys():
            part, _, rest = name.partition('.')
            owner = rest.partition('.')[0]
            key = (part, owner) if part in ('branches', 'heads') else ('base', '')
            sizes[key] += file.get_tensor(name).nbytes
    if not sizes['base', '']:
        raise ModelError(f'{path}: there are no weights of the base task; get the file again')
    return Storage(sizes['base', ''], {task: sizes['branches', task] for task in tasks[1:]},
                   {task: sizes['heads', task] for task in tasks})
