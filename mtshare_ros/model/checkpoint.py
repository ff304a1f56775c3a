"""Weights on disk: safetensors only, with a header that says how to build the network."""

from dataclasses import dataclass
from pathlib import Path

from safetensors import safe_open, SafetensorError
from safetensors.torch import load_file, save_file
import torch

from mtshare_ros.config import to_values
from mtshare_ros.errors import ModelError
from mtshare_ros.model.description import from_header, ModelDescription, to_header
from mtshare_ros.model.network import build_model, MultiTaskNetwork
from mtshare_ros.model.writing import replacing

LARGEST_FILE = 4 << 30
ALLOWED_DTYPES = {torch.float16, torch.bfloat16, torch.float32}
PICKLE_STARTS = (b'\x80', b'PK')


@dataclass(frozen=True)
class Checkpoint:
    """A network with its weights, in evaluation mode on the CPU, and its description."""

    network: MultiTaskNetwork
    description: ModelDescription


def save_checkpoint(
    path: Path, network: MultiTaskNetwork, description: ModelDescription
) -> None:
    """Write weights and header: matrices as float16, vectors (biases, norms) as float32."""
    tensors = {
        name: value.detach().cpu().to(torch.float16 if value.ndim > 1 else torch.float32)
        .contiguous()
        for name, value in network.state_dict().items() if value.is_floating_point()
    }
    save_file(tensors, path, metadata=to_header(description))


def save_described_anew(source: Path, target: Path, description: ModelDescription) -> None:
    """
    Write the weights of a model file, bit for bit, to a new file with another description.

    Raises ModelError where ``target`` exists or cannot be written: a model is never overwritten.
    """
    check_weights_file(source)
    check_new(target)
    try:
        with replacing(target) as partial:
            save_file(load_file(source), partial, metadata=to_header(description))
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
    Build the network a file describes and load its weights.

    Raises ModelError where the file is missing, not safetensors, damaged, or does not fit.
    """
    check_weights_file(path)
    try:
        with safe_open(path, framework='pt') as file:
            description = from_header(file.metadata(), str(path))
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except SafetensorError as error:
        raise ModelError(
            f'{path}: not a readable safetensors file ({error}); it is truncated or damaged, '
            'get it again'
        ) from error
    network = build_model(description.architecture, description.tasks, len(description.labels))
    _fill(network, tensors, path)
    return Checkpoint(network.eval(), description)


def check_weights_file(path: Path) -> None:
    """Refuse what should not be parsed: missing, empty, oversized and pickled files."""
    if not path.is_file():
        raise ModelError(
            f'{path}: there is no such model file; name a model of models/manifest.yaml or give '
            'the path of a .safetensors file'
        )
    size = path.stat().st_size
    if not 8 < size <= LARGEST_FILE:
        raise ModelError(
            f'{path}: the file has {size} bytes, allowed are 9 to {LARGEST_FILE}; '
            'it is empty or not a model'
        )
    with path.open('rb') as file:
        start = file.read(9)
    # A safetensors file begins with the length of its header, whose bytes may be any: look behind.
    if start.startswith(PICKLE_STARTS) and not start.endswith(b'{'):
        raise ModelError(
            f'{path}: this is a pickle (.pt, .pth), which can run code when it is opened, so it '
            'is never opened; save the weights with safetensors and try again'
        )


def _fill(network: MultiTaskNetwork, tensors: dict[str, torch.Tensor], path: Path) -> None:
    for name, value in tensors.items():
        if value.dtype not in ALLOWED_DTYPES:
            raise ModelError(f'{path}: {name} is {value.dtype}; allowed are 16 and 32 bit floats')
    expected = {name: value for name, value in network.state_dict().items()
                if value.is_floating_point()}
    _check_keys(set(expected), set(tensors), network, path)
    for name, value in tensors.items():
        if value.shape != expected[name].shape:
            raise ModelError(
                f'{path}: {name} has the shape {tuple(value.shape)}, its own header needs '
                f'{tuple(expected[name].shape)}: {_shape_of(network)}'
            )
    network.load_state_dict(tensors, strict=False)


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
