"""The parameters of the perception node: the table, and the settings read from it."""

from dataclasses import dataclass, fields
import re
from typing import Any, Mapping

from mtshare_ros.messages.camera_info import CAMERA_MATRICES
from mtshare_ros.messages.image_messages import MAX_PIXELS
from mtshare_ros.model.architecture import fits_patches, PATCH_SIZES
from mtshare_ros.nodes.parameters import ParameterSpec, ParameterTable, plain_value
from mtshare_ros.nodes.perception.engine_parameters import (
    motion_choice,
    MOTION_PARAMETERS,
    MOTION_RULES,
    MotionChoice,
    SHARING_PARAMETERS,
    SHARING_RULES,
    sharing_settings,
)
from mtshare_ros.nodes.perception.input_topics import TRANSPORTS
from mtshare_ros.sharing.sharing_settings import SharingSettings
from mtshare_ros.tasks import DEFAULT_TASKS, get_task

_DEVICE = re.compile(r'auto|cpu|cuda(:\d+)?')
_CAMERA = re.compile(r'[A-Za-z][A-Za-z0-9_]*')
_LARGEST_SIDE = 2048
ONE_CAMERA = ['']
"""One camera without a name; not an empty list, which rclpy takes for a list of bytes."""

SIZE_OF_MODEL = [0, 0]
"""The input size that leaves the choice to the model."""


def _check_input_size(value: list[int]) -> str:
    if value == SIZE_OF_MODEL:
        return ''
    whole = any(fits_patches(tuple(value), patch_size) for patch_size in PATCH_SIZES)
    if not whole or max(value) > _LARGEST_SIDE:
        return ('it must be [height, width], both multiples of the patch size of the model, 14 or '
                f'16 pixels, up to {_LARGEST_SIDE}')
    return ''


def _check_range(value: list[float]) -> str:
    if len(value) != 2 or not 0 <= value[0] < value[1]:
        return 'it must be [nearest, farthest] with 0.0 <= nearest < farthest'
    return ''


def _check_device(value: str) -> str:
    return '' if _DEVICE.fullmatch(value) else 'it must be auto, cpu, cuda or cuda:<number>'


def _check_cameras(value: list[str]) -> str:
    if value == ONE_CAMERA:
        return ''
    wrong = [name for name in value if not _CAMERA.fullmatch(name)]
    if wrong or not value:
        return f'{wrong[0]!r} is not a name' if wrong else 'it names no camera'
    return 'it holds a name twice' if len(set(value)) < len(value) else ''


def _check_not_empty(value: str) -> str:
    return '' if value.strip() else 'it is empty'


def _enabled_spec(ros_name: str) -> ParameterSpec:
    return ParameterSpec(
        f'outputs.{ros_name}.enabled', 'bool', True,
        f'Compute and publish the topics {ros_name}/*.',
    )


PERCEPTION_PARAMETERS = ParameterTable((
    *SHARING_PARAMETERS,
    *MOTION_PARAMETERS,
    *(_enabled_spec(get_task(name).ros_name) for name in DEFAULT_TASKS),
    ParameterSpec(
        'max_rate', 'double', 0.0, 'Frames processed in a second at most; 0.0 takes every frame.',
        'Hz', (0.0, 240.0),
    ),
    ParameterSpec(
        'lazy', 'bool', True,
        'Compute only what is subscribed to; false computes every enabled output.',
    ),
    ParameterSpec(
        'input_timeout', 'double', 5.0,
        'Time without an image after which the node warns; of a camera that is slower, three '
        'usual intervals.', 's', (0.1, 60.0),
    ),
    ParameterSpec(
        'depth.color_range', 'double_array', [0.5, 8.0],
        'Depths that get the first and the last colour in depth/color.', 'm', check=_check_range,
    ),
    ParameterSpec(
        'semantic.color_alpha', 'double', 0.6,
        'Opacity of the class colours over the camera image in semantic/color.',
        limits=(0.0, 1.0),
    ),
    ParameterSpec(
        'model', 'string', 'default', 'Name of a model (mtshare models list), the path of a '
        'checkpoint, or default: real_vit_small where it was added, else the small model of '
        'rendered rooms.', read_only=True, check=_check_not_empty,
    ),
    ParameterSpec(
        'device', 'string', 'auto', 'Where the network runs: auto (the GPU where there is one), '
        'cpu, cuda or cuda:<number>.', read_only=True, check=_check_device,
    ),
    ParameterSpec(
        'precision', 'string', 'auto', 'Number format of the network; auto is fp16 on CUDA and '
        'fp32 on the CPU.', choices=('auto', 'fp32', 'bf16', 'fp16'), read_only=True,
    ),
    ParameterSpec(
        'cuda_graphs', 'bool', True, 'On CUDA, capture the kernels of a frame as graphs when the '
        'node is activated, and replay them; false launches each kernel by itself: slower.',
        read_only=True,
    ),
    ParameterSpec(
        'input_size', 'integer_array', SIZE_OF_MODEL, 'Height and width of the network input and '
        'of every output, multiples of the patch size of the model (14 or 16); [0, 0] is the size '
        'that the model was trained at.', 'pixels',
        read_only=True, check=_check_input_size,
    ),
    ParameterSpec(
        'image_transport', 'string', 'raw', 'How images come: raw on image, or compressed on '
        'image/compressed (JPEG or PNG; needs the extra mtshare_ros[compressed]).',
        choices=tuple(TRANSPORTS), read_only=True,
    ),
    ParameterSpec(
        'camera_matrix', 'string', 'auto', 'Which matrix of camera_info is that of the image: K '
        '(raw image), P (rectified image); auto is P where the image topic is named rect.',
        choices=CAMERA_MATRICES, read_only=True,
    ),
    ParameterSpec(
        'cameras', 'string_array', ONE_CAMERA, 'Names of several cameras, letters, digits and _; '
        "every topic and service then begins with one of them. [''] is one camera without a "
        'name.', read_only=True, check=_check_cameras,
    ),
    ParameterSpec(
        'autostart', 'bool', True, 'Configure and activate without waiting for a lifecycle '
        'manager.', read_only=True,
    ),
    ParameterSpec(
        'max_pixels', 'integer', MAX_PIXELS, 'Largest image accepted.', 'pixels',
        (1, 268_435_456), read_only=True,
    ),
    ParameterSpec(
        'diagnostics_period', 'double', 1.0, 'Time from one message on /diagnostics to the next.',
        's', (0.05, 3.0), read_only=True,
    ),
), (*SHARING_RULES, *MOTION_RULES))
"""Every parameter of the perception node."""


@dataclass(frozen=True)
class RuntimeSettings:
    """The parameters that may change between two frames, as one frame sees them."""

    enabled: frozenset[str]
    """Task ids switched on."""
    max_rate: float
    lazy: bool
    input_timeout: float
    depth_color_range: tuple[float, float]
    semantic_color_alpha: float
    sharing: SharingSettings
    motion: MotionChoice
    changed: str
    """The parameters that differ from their defaults: ``name=value``, separated by spaces."""


@dataclass(frozen=True)
class StartSettings:
    """The parameters that are read when the node starts; ``input_size`` None is the model's."""

    model: str
    device: str
    precision: str
    cuda_graphs: bool
    input_size: tuple[int, int] | None
    image_transport: str
    camera_matrix: str
    cameras: tuple[str, ...]
    autostart: bool
    max_pixels: int
    diagnostics_period: float


def runtime_settings(values: Mapping[str, Any]) -> RuntimeSettings:
    """Return the settings of the next frame from checked parameter values."""
    return RuntimeSettings(
        enabled=frozenset(
            name for name in DEFAULT_TASKS
            if values[f'outputs.{get_task(name).ros_name}.enabled']
        ),
        max_rate=values['max_rate'],
        lazy=values['lazy'],
        input_timeout=values['input_timeout'],
        depth_color_range=tuple(values['depth.color_range']),
        semantic_color_alpha=values['semantic.color_alpha'],
        sharing=sharing_settings(values),
        motion=motion_choice(values),
        changed=_changed(values),
    )


def _changed(values: Mapping[str, Any]) -> str:
    return ' '.join(
        f'{spec.name}={_text(values[spec.name])}' for spec in PERCEPTION_PARAMETERS
        if not spec.read_only and plain_value(values[spec.name]) != spec.default
    )


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(plain_value(value)).replace(' ', '')


def start_settings(values: Mapping[str, Any]) -> StartSettings:
    """Return the read-only settings from checked parameter values."""
    given = {item.name: values[item.name] for item in fields(StartSettings)}
    size = given.pop('input_size')
    return StartSettings(input_size=size if any(size) else None, **given)
