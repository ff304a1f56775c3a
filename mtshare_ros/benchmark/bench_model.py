"""The model that the benchmark runs: a shipped one, or a shape with random weights."""

from dataclasses import dataclass, replace

import torch

from mtshare_ros.errors import ConfigError
from mtshare_ros.inference.engine import Engine
from mtshare_ros.model.architecture import ArchitectureConfig, ARCHITECTURES
from mtshare_ros.model.checkpoint import Checkpoint, load_checkpoint
from mtshare_ros.model.deltas import add_random_deltas, branch_out
from mtshare_ros.model.description import default_thresholds, ModelDescription
from mtshare_ros.model.file_description import read_description
from mtshare_ros.model.manifest import find_model, load_manifest, ModelFile
from mtshare_ros.model.network import build_model
from mtshare_ros.tasks import DEFAULT_TASKS, load_labels

DEFAULT_DENSITY = 0.1
_LABELS = 'nyu40'
_FOCAL_LENGTH_PER_WIDTH = 0.9
_DEPTH_RANGE = (0.3, 10.0)


@dataclass(frozen=True)
class DeltaSettings:
    """
    Random delta weights instead of trained ones, for measurements in which only the cost matters.

    ``prefix`` is the number of shared blocks; None is two thirds of the depth. ``granularity`` is
    that of ``add_random_deltas``.
    """

    prefix: int | None = None
    density: float = DEFAULT_DENSITY
    granularity: str = 'row'


def delta_settings(
    prefix: int | None, density: float | None, granularity: str | None
) -> DeltaSettings | None:
    """Return the settings that the options give; None where none of them was given."""
    if (prefix, density, granularity) == (None, None, None):
        return None
    usual = DeltaSettings()
    return DeltaSettings(prefix, usual.density if density is None else density,
                         granularity or usual.granularity)


@dataclass(frozen=True)
class BenchModel:
    """A model with its name; ``trained`` is False where its weights are random."""

    checkpoint: Checkpoint
    name: str
    trained: bool
    file: ModelFile | None = None


def shipped_model(model: str, deltas: DeltaSettings | None = None) -> BenchModel:
    """
    Load a model by name or path, with random delta weights where ``deltas`` asks for them.

    Raises ModelError for a model that cannot be loaded, ConfigError for deltas on a model that has
    its own.
    """
    file = find_model(model)
    checkpoint = load_checkpoint(file.path)
    if deltas is None:
        return BenchModel(checkpoint, file.name, True, file)
    if checkpoint.network.branches:
        raise ConfigError(
            f'model {file.name!r} has delta weights of its own above block '
            f'{checkpoint.network.config.shared_depth}; leave out --prefix, --random-deltas and '
            '--granularity')
    return BenchModel(_with_deltas(checkpoint, deltas), f'{file.name}, {_words(deltas)}', True)


def shared_encoder_model(model: BenchModel, name: str | None = None) -> BenchModel | None:
    """
    Return a model for the same tasks in which all tasks share the whole encoder.

    With ``name`` (a name or path) it is that model. Otherwise it is ``model`` itself if that one
    is untrained or shares its encoder, else the first shipped model for the same tasks and labels,
    or None. Raises ConfigError where the named model has other tasks or labels, or several
    encoders.
    """
    if name is not None:
        return _checked(model, shipped_model(name))
    if not model.trained or not model.checkpoint.network.branches:
        return model
    manifest = load_manifest()
    found = (entry for entry in manifest.models if _serves(
        model.checkpoint.description, read_description(manifest.path_of(entry))))
    entry = next(found, None)
    return None if entry is None else shipped_model(entry)


def _serves(wanted: ModelDescription, other: ModelDescription) -> bool:
    """Return whether the other model has the same tasks and labels, and one encoder for all."""
    shape = other.architecture
    return (set(wanted.tasks) <= set(other.tasks) and wanted.labels.names == other.labels.names
            and shape.shared_depth == shape.depth)


def _checked(model: BenchModel, named: BenchModel) -> BenchModel:
    if not _serves(model.checkpoint.description, named.checkpoint.description):
        raise ConfigError(
            f'--shared-encoder is {named.name!r}, which must have one encoder for all tasks of '
            f'{model.name!r} ({", ".join(model.checkpoint.description.tasks)}) and its labels')
    return named


def load_bench_engine(
    model: BenchModel, device: str, precision: str, size: tuple[int, int] | None
) -> Engine:
    """
    Return an engine for frames of ``size``, its crossover measured as in the node.

    ``size`` is (height, width); None is that of the model.
    """
    engine = Engine(model.checkpoint, device=device, precision=precision, input_size=size,
                    file=model.file)
    engine.settle_crossover()
    return engine


def untrained_model(
    architecture: str, size: tuple[int, int] | None, deltas: DeltaSettings = DeltaSettings()
) -> BenchModel:
    """
    Return a network of a known architecture with random weights, the same in every call.

    ``size`` is (height, width); None is that of the architecture. Raises ConfigError for an
    unknown architecture.
    """
    if architecture not in ARCHITECTURES:
        raise ConfigError(f'--architecture is {architecture!r}; allowed are '
                          f'{", ".join(ARCHITECTURES)}')
    config = ARCHITECTURES[architecture]
    if size is not None:
        config = replace(config, input_size=size)
    checkpoint = random_checkpoint(config)
    changed = _with_deltas(checkpoint, deltas)
    return BenchModel(changed, f'{architecture}, untrained, {_words(deltas)}', False)


def random_checkpoint(config: ArchitectureConfig, seed: int = 0) -> Checkpoint:
    """Return an untrained network for the default tasks with a description that fits."""
    labels = load_labels(_LABELS)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build_model(config, DEFAULT_TASKS, len(labels)).eval()
    description = ModelDescription(
        architecture=config, tasks=network.tasks, labels=labels,
        focal_length=_FOCAL_LENGTH_PER_WIDTH * config.input_size[1], depth_range=_DEPTH_RANGE,
        trained_on='nothing')
    return Checkpoint(network, description)


def _with_deltas(checkpoint: Checkpoint, deltas: DeltaSettings) -> Checkpoint:
    depth = checkpoint.network.config.depth
    prefix = 2 * depth // 3 if deltas.prefix is None else deltas.prefix
    network = branch_out(checkpoint.network, prefix)
    if network.branches and deltas.density > 0:
        add_random_deltas(network, density=deltas.density, granularity=deltas.granularity)
    fallback = default_thresholds(network.config)
    thresholds = {
        task: replace(checkpoint.description.thresholds.get(task, fallback), task=fallback.task)
        for task in network.tasks}
    return Checkpoint(network, replace(checkpoint.description, architecture=network.config,
                                       thresholds=thresholds))


def _words(deltas: DeltaSettings) -> str:
    where = '' if deltas.prefix is None else f' above block {deltas.prefix}'
    return f'{deltas.density:.0%} random delta weights by {deltas.granularity}{where}'
