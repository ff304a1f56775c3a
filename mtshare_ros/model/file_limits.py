"""What a model file may be: looked at before anything in it is parsed or believed."""

from pathlib import Path
import shlex

from mtshare_ros.errors import ModelError

LARGEST_FILE = 4 << 30
"""Bytes of a model file; a ViT-B with six tasks of its own blocks takes a quarter of that."""
LARGEST_HEADER = 4 << 20
"""Bytes of the header, which is parsed as a whole; those of the shipped models take 60 kB."""

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


def conversion_of(path: Path) -> str:
    """Return the command that makes a safetensors file of a pickle, without running its code."""
    code = (
        'import sys, torch; from safetensors.torch import save_file; '
        'found = torch.load(sys.argv[1], "cpu", weights_only=True); '
        'found = found.get("state_dict", found.get("model", found)); '
        'save_file({name: value.clone().contiguous() for name, value in found.items() '
        'if torch.is_tensor(value)}, sys.argv[2])')
    target = path.with_suffix('.safetensors')
    return f"python3 -c '{code}' {shlex.quote(str(path))} {shlex.quote(str(target))}"


def _check_start(start: bytes, size: int, path: Path) -> None:
    # A safetensors file begins with the length of its header, whose bytes may be any: look behind.
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
