"""Whether a shipped model gives the same outputs on this machine as where it was made."""

from pathlib import Path
from typing import Any, Iterable, Mapping
from zipfile import BadZipFile
import zlib

import numpy as np
import torch

from mtshare_ros.errors import ModelError
from mtshare_ros.file_paths import share_directory
from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.prediction import InferenceSettings
from mtshare_ros.sharing.sharing_settings import SharingSettings

TOLERANCES = {torch.float32: 0.005, torch.float16: 0.02, torch.bfloat16: 0.05}
"""Largest relative error of a task's raw output, by the arithmetic of the engine."""

_EVERY = slice(4, None, 8)
"""The rows and columns of a raw output that are compared: few, but enough to see any fault."""


def reference_path() -> Path:
    """Return the file of references that ships with the models."""
    return share_directory() / 'models' / 'reference.npz'


def check_reference(engine: Engine, path: Path | None = None) -> str:
    """
    Return how an engine differs from the reference of its model, or an empty text.

    This computes one frame at the input size of the training, without sharing. Models that do not
    ship with the package, and shipped ones that were changed, have no reference. The reference of
    shipped heads is that of the model which they form with their backbone.
    """
    path = path or reference_path()
    key = f'{_key_of(engine)}/' if engine.file else ''
    try:
        with np.load(path) as arrays:
            image = arrays['image']
            expected = {name.removeprefix(key): arrays[name].astype(np.float32)
                        for name in arrays if key and name.startswith(key)}
    # a truncated or damaged archive raises any of these
    except (OSError, EOFError, ValueError, KeyError, BadZipFile, zlib.error) as error:
        return f'{path}: the reference cannot be read: {error!r}; install the package again'
    if not expected:
        return ''
    found = sample_outputs(engine, image)
    return _describe_errors(engine, {
        task: float(np.linalg.norm(found[task] - values) / np.linalg.norm(values))
        for task, values in expected.items()})


def sample_outputs(engine: Engine, image: np.ndarray) -> dict[str, np.ndarray]:
    """Return every task's raw output (C, h, w) float32 for an RGB image, at some pixels."""
    engine = engine.with_input_size(engine.description.architecture.input_size)
    session = engine.new_session()
    settings = InferenceSettings(engine.network_tasks, SharingSettings(temporal=False, task=False))
    engine.infer(image, session, settings)
    return {
        task: engine.raw(session, task)[0, :, _EVERY, _EVERY].cpu().numpy()
        for task in engine.network_tasks
    }


def write_references(
    engines: Iterable[Engine], path: Path, keep: Iterable[str] = ()
) -> None:
    """
    Write what engines compute for the image of an existing file as its new references.

    ``keep`` are the checksums of models that are not here; their references stay as they are.
    """
    with np.load(path) as arrays:
        image = arrays['image']
        outputs: dict[str, Any] = {
            name: arrays[name] for name in arrays if name.startswith(tuple(keep))}
    outputs |= {
        f'{_key_of(engine)}/{task}': values.astype(np.float16)
        for engine in engines for task, values in sample_outputs(engine, image).items()
    }
    np.savez_compressed(path, image=image, **outputs)


def _key_of(engine: Engine) -> str:
    """Return the checksum of the part that ships: the whole model, or its heads."""
    if engine.file is None:
        raise ModelError('a reference belongs to a model file; load the engine with Engine.load')
    return engine.file.heads_sha256 or engine.file.sha256


def _describe_errors(engine: Engine, errors: Mapping[str, float]) -> str:
    tolerance = TOLERANCES[engine.dtype]
    # written so that NaN counts as an error
    wrong = [f'{task} by {error:.1%}' for task, error in errors.items() if not error <= tolerance]
    if not wrong:
        return ''
    arithmetic = str(engine.dtype).removeprefix('torch.')
    return (
        f'the model gives other outputs than it should on {engine.device} in {arithmetic}: '
        f'{", ".join(wrong)} (at most {tolerance:.1%}); do not trust them: set device to cpu '
        f'and precision to fp32, or install another build of PyTorch'
    )
