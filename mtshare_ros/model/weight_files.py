"""Files of weights: checked before they are parsed, opened, and replaced in one step."""

from contextlib import contextmanager
import hashlib
import os
from pathlib import Path
import shlex
from typing import Any, Iterator

from safetensors import safe_open, SafetensorError

from mtshare_ros.errors import ModelError

LARGEST_FILE = 4 << 30
"""Bytes of a model file; a ViT-B with blocks of its own for six tasks takes a quarter."""
LARGEST_HEADER = 4 << 20
"""Bytes of the header, which is parsed as a whole; those of the shipped models take 60 kB."""
MOST_TENSORS = 10_000
LONGEST_NAME = 200
"""Most tensors in a file, and most characters in the name of one."""

_LENGTH_BYTES = 8
_PICKLE_STARTS = (b'\x80', b'PK')


def check_model_file(path: Path) -> None:
    """Raise ModelError for what should not be parsed: missing, oversized and pickled files."""
    if not path.is_file():
        raise ModelError(
            f'{path}: there is no such model file; name a model of mtshare models list or give '
            'the path of a .safetensors file'
        )
    try:
        size = path.stat().st_size
        with path.open('rb') as file:
            start = file.read(_LENGTH_BYTES + 1)
    except OSError as error:
        raise ModelError(
            f'{path}: the file cannot be read: {error.strerror}; check its permissions') from error
    if not _LENGTH_BYTES < size <= LARGEST_FILE:
        raise ModelError(
            f'{path}: the file has {size} bytes, allowed are {_LENGTH_BYTES + 1} to '
            f'{LARGEST_FILE}; it is empty or not a model'
        )
    _check_start(start, size, path)


@contextmanager
def open_weights(path: Path, framework: str = 'pt') -> Iterator[Any]:
    """
    Open a file of weights as ``safe_open`` does; raise ModelError where it cannot be read.

    ``framework`` is that of the tensors; 'np' does without PyTorch.
    """
    check_model_file(path)
    try:
        with safe_open(path, framework=framework) as file:
            _check_names(file.keys(), path)
            yield file
    except (SafetensorError, OSError) as error:
        raise ModelError(
            f'{path}: not a readable safetensors file ({error}); it is truncated or damaged, '
            'get it again'
        ) from error


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file in hexadecimal."""
    digest = hashlib.sha256()
    with path.open('rb') as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a path to write to; the finished file replaces ``path`` in one step."""
    partial = path.with_name(f'{path.name}.part')
    try:
        partial.touch()
        mode = partial.stat().st_mode
        yield partial
        # safetensors writes files that only the owner can read, whatever the user's umask is
        partial.chmod(mode)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def conversion_of(path: Path) -> str:
    """Return a shell command that converts a pickle to safetensors without running its code."""
    code = (
        'import sys, torch; from safetensors.torch import save_file; '
        'found = torch.load(sys.argv[1], "cpu", weights_only=True); '
        'found = found.get("state_dict", found.get("model", found)); '
        'save_file({name: value.clone().contiguous() for name, value in found.items() '
        'if torch.is_tensor(value)}, sys.argv[2])')
    target = path.with_suffix('.safetensors')
    return f"python3 -c '{code}' {shlex.quote(str(path))} {shlex.quote(str(target))}"


def _check_start(start: bytes, size: int, path: Path) -> None:
    # A safetensors file begins with the length of its header, which may look like the start of a
    # pickle; only the brace after it tells the two apart.
    if start.startswith(_PICKLE_STARTS) and not start.endswith(b'{'):
        raise ModelError(
            f'{path}: this is a pickle (.pt, .pth), which can run code when it is opened, so it '
            'is never opened; save its weights with safetensors and try again: '
            f'{conversion_of(path)}'
        )
    length = int.from_bytes(start[:_LENGTH_BYTES], 'little')
    largest = min(LARGEST_HEADER, size - _LENGTH_BYTES)
    if length > largest:
        raise ModelError(
            f'{path}: not a readable safetensors file (its header claims {length} bytes, at most '
            f'{largest} can be); it is truncated or damaged, get it again'
        )


def _check_names(names: list[str], path: Path) -> None:
    longest = max(map(len, names), default=0)
    if len(names) > MOST_TENSORS or longest > LONGEST_NAME:
        raise ModelError(
            f'{path}: the file has {len(names)} tensors with names of up to {longest} characters; '
            f'allowed are {MOST_TENSORS} and {LONGEST_NAME}: it is no model')
