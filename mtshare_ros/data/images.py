"""
Read images and maps of data sets from files.

Every function raises DatasetError for a file that is missing, damaged or of another kind, and
says what it should hold; MissingExtraError without Pillow or SciPy. Unlikely values
warn, see ``doubts``.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mtshare_ros.data.doubts import (
    check_depth,
    check_depth_levels,
    check_edges,
    check_ids,
    check_levels,
    check_normals,
    doubt,
)
from mtshare_ros.errors import DatasetError, FrameError, import_extra
from mtshare_ros.image_files import load_pillow, read_image_file, StoredImage

_MILLIMETRES = 1000.0
_UNIT_LENGTHS = (0.5, 1.5)


def read_rgb(
    path: Path, truth_size: Callable[[], tuple[int, ...] | None] = lambda: None
) -> np.ndarray:
    """
    Read an image of any kind as (H, W, 3) uint8 RGB, turned as its EXIF orientation says.

    ``truth_size`` returns the (height, width) of its truth, if it has any: where only
    the image as it is stored has that size, it is not turned.
    """
    stored = _read_image(path)
    if stored.orientation == 1:
        return stored.pixels
    upright, size = stored.upright(), truth_size()
    fits = [image.shape[:2] == size for image in (stored.pixels, upright)]
    if fits == [True, False]:
        doubt(path, 'orientation', 'EXIF says to turn the image, but its truth has the size of '
                                   'the pixels as they are stored; it is left as it is: turn '
                                   'image and truth, or remove the EXIF orientation')
        return stored.pixels
    if fits == [True, True]:
        doubt(path, 'orientation', 'EXIF says to turn the image, and its size does not tell '
                                   'whether its truth was made of the turned one; it is taken '
                                   'so: if not, remove the EXIF orientation')
    return upright


def read_stored_rgb(path: Path) -> np.ndarray:
    """Read an image of any kind as (H, W, 3) uint8 RGB, whatever its EXIF orientation says."""
    return _read_image(path).pixels


def read_ids(path: Path, count: int) -> np.ndarray:
    """Read an 8-bit PNG, grey or with a palette, as (H, W) uint8 ids below ``count``, or 255."""
    expected = f'ids from 0 to {count - 1}, 255 where unlabelled, in one 8-bit channel'
    ids = _read_picture(path, expected)
    if ids.ndim != 2 or ids.dtype != np.uint8:
        raise _wrong(path, expected, f'{ids.shape} {ids.dtype}')
    wrong = ids[(ids >= count) & (ids != 255)]
    if wrong.size:
        raise _wrong(path, expected, f'the id {wrong[0]}')
    check_ids(ids, path)
    return ids


def read_binary(path: Path) -> np.ndarray:
    """Read (H, W) uint8, 0 or 1: a PNG (1 above 127) or an .npy (1 above 0.5)."""
    expected = 'one channel, 0 or 255 (.npy: 0 or 1)'
    if path.suffix.lower() == '.npy':
        values = read_array(path, expected)
    else:
        levels = _read_picture(path, expected, convert='L')
        check_levels(levels, path)
        values = levels / 255.0
    values = np.squeeze(values)
    if values.ndim != 2:
        raise _wrong(path, expected, f'an array {values.shape}')
    return (values > 0.5).astype(np.uint8)


def read_edges(path: Path) -> np.ndarray:
    """Read (H, W) uint8, 1 on edges, else 0, as ``read_binary`` does."""
    edges = read_binary(path)
    check_edges(edges, path)
    return edges


def read_depth(path: Path) -> np.ndarray:
    """Read (H, W) float32 metres, 0 invalid: an .npy in metres or a 16-bit PNG in millimetres."""
    expected = 'depth: an .npy (H, W) in metres or a 16-bit PNG in millimetres'
    if path.suffix.lower() == '.npy':
        depth = np.squeeze(read_array(path, expected))
    else:
        depth = _read_picture(path, expected)
        if depth.dtype == np.uint8:
            raise _wrong(path, expected, '8 bits a pixel')
        check_depth_levels(depth, path)
        depth = depth / _MILLIMETRES
    if depth.ndim != 2:
        raise _wrong(path, expected, f'an array {depth.shape}')
    check_depth(depth, path, whole=depth.dtype.kind in 'iu')
    return np.where(np.isfinite(depth) & (depth > 0), depth, 0).astype(np.float32)


def read_normals(path: Path, *, unit_only: bool = False) -> np.ndarray:
    """
    Read (H, W, 3) float32 unit vectors, 0 invalid: an .npy or an RGB PNG, v = 2 n / 255 - 1.

    A PNG cannot hold the zero vector. With ``unit_only`` vectors far from unit length are invalid,
    black (0, 0, 0) and grey (127 or 128 in every channel) among them.
    """
    expected = 'normals: an .npy (H, W, 3) or an 8-bit RGB PNG'
    if path.suffix.lower() == '.npy':
        stored = read_array(path, expected)
    else:
        stored = 2 * (_read_picture(path, expected, convert='RGB') / 255.0) - 1
    if stored.ndim != 3 or stored.shape[2] != 3:
        raise _wrong(path, expected, f'an array {stored.shape}')
    check_normals(stored, path, optical=unit_only)
    vectors = np.nan_to_num(stored.astype(np.float32), posinf=0.0, neginf=0.0)
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    shortest, longest = _UNIT_LENGTHS if unit_only else (0.0, np.inf)
    valid = (length > shortest) & (length < longest)
    return np.where(valid, vectors / np.maximum(length, 1e-12), 0)


def read_array(path: Path, expected: str) -> np.ndarray:
    """Read an .npy of numbers; ``expected`` says in errors what it should hold."""
    try:
        values = np.load(path)
    except FileNotFoundError:
        raise _missing(path, expected) from None
    except (OSError, ValueError, EOFError) as error:
        raise _damaged(path, expected, error) from error
    if not isinstance(values, np.ndarray) or values.dtype.kind not in 'biuf':
        raise _wrong(path, expected, f'no array of numbers ({type(values).__name__})')
    return values


def read_mat(path: Path, key: str) -> np.ndarray:
    """Read one variable of a MATLAB file."""
    expected = f'the variable {key!r} in a MATLAB file'
    reader = require_library('scipy.io')
    try:
        return reader.loadmat(path, variable_names=[key])[key]
    except FileNotFoundError:
        raise _missing(path, expected) from None
    except Exception as error:  # loadmat raises errors of any kind for damaged bytes
        raise _damaged(path, expected, error) from error


def require_library(module: str) -> Any:
    """Import a library for reading data sets; raise MissingExtraError without it."""
    return import_extra(module, 'reading this data set', 'train')


def _read_image(path: Path) -> StoredImage:
    require_library('PIL.Image')
    expected = 'an RGB image'
    if not path.exists():
        raise _missing(path, expected)
    try:
        stored = read_image_file(path)
    except FrameError as error:
        reason = str(error).removeprefix(f'{path}: ')
        raise DatasetError(f'{path} should hold {expected}, but {reason}; get the file anew'
                           ) from error
    for text in stored.doubts:
        doubt(path, text, text)
    return stored


def _read_picture(path: Path, expected: str, *, convert: str | None = None) -> np.ndarray:
    require_library('PIL.Image')
    try:
        with load_pillow().open(path) as picture:
            return np.array(picture if convert is None else picture.convert(convert))
    except FileNotFoundError:
        raise _missing(path, expected) from None
    except Exception as error:  # noqa: B902 - decoders meet damaged bytes with errors of any kind
        raise _damaged(path, expected, error) from error


def _missing(path: Path, expected: str) -> DatasetError:
    return DatasetError(f'{path} is missing; it should hold {expected}')


def _damaged(path: Path, expected: str, error: Exception) -> DatasetError:
    return DatasetError(f'{path} should hold {expected}, but cannot be read '
                        f'({type(error).__name__}: {error}); get the file anew')


def _wrong(path: Path, expected: str, found: str) -> DatasetError:
    return DatasetError(f'{path} should hold {expected}, but holds {found}')
