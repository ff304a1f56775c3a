"""The description of a model in the header of its file, and the thresholds in it."""

from dataclasses import dataclass, field, fields, replace
import json
import math
from typing import Any, Mapping

from mtshare_ros.config import from_values, require, to_values
from mtshare_ros.errors import ConfigError, ModelError
from mtshare_ros.model.architecture import ArchitectureConfig
from mtshare_ros.tasks import LabelSet, ordered

DEFAULT_TEMPORAL = 0.2
DEFAULT_TASK = 0.1
"""
Thresholds of models without calibration.

They are small compared to the spread of the tokens, but not compared to noise.
"""

UNTRAINED_TEMPORAL = 0.1
"""
The temporal threshold of public backbones, which were trained without gates.

On videos of a street and of hand-held objects, DINOv2 with heads of this package has 3 to 16 %
less error than at 0.2, for 6 to 30 % more work; below 0.1 hardly any token is left out.
"""

UNTRAINED_REFRESH_PERIOD = 7
"""
The refresh period to advise for such a network.

On videos of a street, maps whose tokens are at most this many frames old differ less from those of
a whole frame than the maps of two consecutive whole frames differ from each other.
"""

FORMAT = 'mtshare_ros 1'

SPARSE_FORMAT = 'mtshare_ros 2'
"""In files of this format branches hold only delta weights, see ``model/deltas.py``."""

HALF, SINGLE = 'float16', 'float32'

PIXELS, VIEW = 'pixels', 'view'


@dataclass(frozen=True)
class TaskThresholds:
    """
    One task's thresholds, one number for each block of the network.

    Relative to the spread of the block's input tokens (their root mean square distance from their
    mean) at the last whole frame, so a number means the same in every block and every network; 0:
    no gate at this block. ``temporal`` is for the difference from the task's own reference,
    ``task`` for that from the base task; the latter is used above the shared blocks only.
    """

    temporal: tuple[float, ...]
    task: tuple[float, ...]

    def __post_init__(self) -> None:
        """Raise ConfigError for numbers no gate can use."""
        for name in ('temporal', 'task'):
            for block, value in enumerate(getattr(self, name)):
                require(math.isfinite(value) and value >= 0, f'{name}[{block}]', value,
                        'a finite number, 0 or more')

    def check_depth(self, depth: int, task: str) -> None:
        """Raise ConfigError unless there is one number for each of ``depth`` blocks."""
        for name in ('temporal', 'task'):
            count = len(getattr(self, name))
            require(count == depth, f'the number of {name} thresholds of {task}', count,
                    f'{depth}, one for each block')

    def scaled(self, temporal: float = 1.0, task: float = 1.0) -> 'TaskThresholds':
        """Return the thresholds times a factor for each kind."""
        return TaskThresholds(tuple(value * temporal for value in self.temporal),
                              tuple(value * task for value in self.task))


def block_profile(depth: int) -> tuple[float, ...]:
    """
    Return the thresholds of ``depth`` blocks relative to each other: 1.5 falling to 0.5, mean 1.

    Early thresholds are higher, because a token that is left out early saves all later blocks. For
    rooms_vit_tiny at the same output
    error this profile needs less work than equal thresholds: 5 % (normals), 9 % (semseg), 22 %
    (edges).
    """
    middle = (depth - 1) / 2
    return tuple(1 - (block - middle) / (2 * middle) if middle else 1.0 for block in range(depth))


def never_gated(architecture: ArchitectureConfig) -> bool:
    """Tell whether a network without thresholds has public weights, trained without gates."""
    # all public weights are of networks whose stem is one projection
    return architecture.stem == 'patch'


def default_thresholds(architecture: ArchitectureConfig) -> TaskThresholds:
    """Return the thresholds for a model that was not calibrated."""
    shared, depth = architecture.shared_depth, architecture.depth
    temporal = UNTRAINED_TEMPORAL if never_gated(architecture) else DEFAULT_TEMPORAL
    return TaskThresholds(tuple(temporal * value for value in block_profile(depth)),
                          (0.0,) * shared + (DEFAULT_TASK,) * (depth - shared))


@dataclass(frozen=True)
class WeightSource:
    """
    A file that weights were taken from.

    ``name`` is that of the file or folder, ``parts`` say what was taken: ``backbone`` or task ids.
    ``unused`` are the names of the tensors that were not taken.
    """

    name: str
    sha256: str
    licence: str
    parts: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()


@dataclass(frozen=True)
class Peak:
    """The largest magnitude in the weight, or in the input and output of the layer, ``name``."""

    name: str
    value: float


@dataclass(frozen=True)
class ModelDescription:
    """
    Everything besides the weights that inference needs.

    ``focal_length`` is that of the training images in pixels at ``architecture.input_size``;
    ``depth_range`` is the (nearest, farthest) depth of the training images in metres. Either is
    None where the images came without a calibration, or without depths.
    ``depth_scaling`` says from what the network estimates distance: ``pixels``, from the size of
    things in pixels, or ``view``, from their share of the image, whatever its size.
    ``thresholds`` holds the token gates' thresholds by task, empty where the model was not
    calibrated; ``calibration`` says in a sentence how they were found. ``crossovers`` holds by
    type of device, ``cpu`` or ``cuda``, the share of active tokens above which a whole frame is
    faster. ``storage`` is the dtype of the matrices in the file. ``sources`` are the files of
    others that weights came from; ``backbone_sha256`` is the digest of the backbone's tensors,
    empty where nothing depends on it. ``peaks`` are the largest numbers that the layers reached on
    a trial picture, the largest first, empty where they were not measured; fp16 may not hold them.
    """

    architecture: ArchitectureConfig
    tasks: tuple[str, ...]
    labels: LabelSet
    focal_length: float | None
    depth_range: tuple[float, ...] | None
    trained_on: str = ''
    thresholds: Mapping[str, TaskThresholds] = field(default_factory=dict)
    calibration: str = ''
    crossovers: dict[str, float] = field(default_factory=dict)
    depth_scaling: str = PIXELS
    storage: str = HALF
    sources: tuple[WeightSource, ...] = ()
    backbone_sha256: str = ''
    peaks: tuple[Peak, ...] = ()

    def __post_init__(self) -> None:
        """Raise ConfigError for unknown tasks, impossible numbers, thresholds that do not fit."""
        ordered(self.tasks)
        require(self.focal_length is None or 0 < self.focal_length < math.inf, 'focal_length',
                self.focal_length, 'a positive number of pixels, or none where it is not known')
        require(self.depth_range is None or _is_range(self.depth_range), 'depth_range',
                self.depth_range, '[nearest, farthest] in metres, or none where it is not known')
        for task, thresholds in self.thresholds.items():
            require(task in self.tasks, 'thresholds', task, f'one of {", ".join(self.tasks)}')
            thresholds.check_depth(self.architecture.depth, task)
        require(self.depth_scaling in (PIXELS, VIEW), 'depth_scaling', self.depth_scaling,
                f'{PIXELS} or {VIEW}')
        require(self.storage in (HALF, SINGLE), 'storage', self.storage, f'{HALF} or {SINGLE}')
        for device, share in self.crossovers.items():
            require(0 <= share <= 1, f'crossovers[{device!r}]', share,
                    'a share of the tokens, 0 to 1')


def usual_depth_scaling(architecture: ArchitectureConfig) -> str:
    """Return the ``depth_scaling`` that follows from the positions of a network."""
    # Positions that are stretched to every grid say where a patch is as a share of the view. Only
    # those of ``rope``, rows and columns, let a network measure in pixels.
    return PIXELS if architecture.position == 'rope' else VIEW


def _is_range(values: tuple[float, ...]) -> bool:
    return len(values) == 2 and 0 <= values[0] <= values[1] < math.inf and values[1] > 0


def to_header(description: ModelDescription, file_format: str = FORMAT) -> dict[str, str]:
    """Return the safetensors metadata: one readable JSON value per field."""
    header = {key: json.dumps(value) for key, value in to_values(description).items()}
    return {'format': file_format, **header}


def is_ours(header: Mapping[str, str] | None) -> bool:
    """Tell whether the metadata are those of a checkpoint of this package, of any version."""
    return (header or {}).get('format', '').startswith('mtshare_ros ')


def format_of(header: Mapping[str, str] | None, source: str) -> str:
    """Return the format the metadata name; raise ModelError where it cannot be read."""
    found = (header or {}).get('format')
    if found in (FORMAT, SPARSE_FORMAT):
        return found
    reason = ('it was written by a newer version of this package: update it' if is_ours(header)
              else 'it was not written by this package (timm weights can only start a '
                   'training)')
    raise ModelError(
        f'{source}: the header names the format {found!r}, expected {FORMAT!r} or '
        f'{SPARSE_FORMAT!r}; {reason}')


def from_header(header: Mapping[str, str] | None, source: str) -> ModelDescription:
    """Read the metadata back; raise ModelError or ConfigError naming ``source``."""
    format_of(header, source)
    names = {item.name for item in fields(ModelDescription)}
    try:
        values: dict[str, Any] = {
            key: json.loads(text) for key, text in (header or {}).items() if key in names}
    except (ValueError, RecursionError) as error:
        raise ModelError(
            f'{source}: the header is damaged: {error}; get the file again') from error
    origin = f'{source}: header'
    thresholds = _thresholds(values.pop('thresholds', {}), f'{origin}: thresholds')
    description = from_values(ModelDescription, values, origin)
    try:
        return replace(description, thresholds=thresholds)
    except ConfigError as error:
        raise ConfigError(f'{origin}: {error}') from None


def _thresholds(values: Any, source: str) -> dict[str, TaskThresholds]:
    if not isinstance(values, dict):
        raise ConfigError(f'{source}: expected thresholds by task, found {values!r}')
    return {task: from_values(TaskThresholds, entry, f'{source}: {task}')
            for task, entry in values.items()}
