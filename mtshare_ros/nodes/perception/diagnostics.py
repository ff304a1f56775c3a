"""The messages on /diagnostics: the state of the node and of each camera, and their entries."""

from dataclasses import dataclass, field
import os
from pathlib import Path
from typing import Any, Mapping, Sequence

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.machine_costs import choices_of
from mtshare_ros.nodes.node_environment import RENDERED_CAMERA
from mtshare_ros.nodes.perception.engine_parameters import crossover_of
from mtshare_ros.nodes.perception.frame_statistics import RecentFlow
from mtshare_ros.sharing.sharing_settings import SharingSettings

ENGINE_ENTRIES = ('processor', 'precision', 'weight_layout', 'threads', 'torch', 'crossover',
                  'crossover_source')

_STATM = Path('/proc/self/statm')
_FEWEST_IMAGES = 10
"""Images that must have come before a camera counts as overloaded."""


@dataclass(frozen=True)
class NodeReport:
    """
    What the diagnostics tell about the node.

    ``name`` is its fully qualified name, ``broken`` why a transition failed or the node gave up,
    empty where it did not. ``entries`` are shown with every camera.
    """

    name: str
    lifecycle: str
    device: str = ''
    broken: str = ''
    entries: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class CameraReport:
    """
    What the diagnostics tell about one camera; a text is empty where it does not apply.

    ``stale`` tells why no image comes, ``idle`` why nothing is computed, ``withheld`` which
    outputs with subscribers are not published, ``overloaded`` why images are dropped,
    ``pose_fault`` why the chosen sensors do not tell the camera's motion, ``degraded`` which fault
    the last frames had, ``failing`` why they are useless.
    """

    name: str = ''
    stale: str = ''
    idle: str = ''
    withheld: str = ''
    overloaded: str = ''
    pose_fault: str = ''
    degraded: str = ''
    failing: str = ''
    last_error: str = ''
    entries: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """The level and the message of a diagnostic status."""

    level: bytes
    message: str


def judge(node: NodeReport, camera: CameraReport) -> Verdict:
    """Return the state of a camera; of several faults the worst one decides."""
    if node.broken:
        return Verdict(DiagnosticStatus.ERROR, f'ERROR: {node.broken}')
    if node.lifecycle != 'active':
        return Verdict(DiagnosticStatus.WARN, node.lifecycle)
    if camera.failing:
        return Verdict(DiagnosticStatus.ERROR, f'ERROR: {camera.failing}')
    warnings = {
        'STALE': camera.stale, 'DEGRADED': camera.degraded, 'WITHHELD': camera.withheld,
        'OVERLOADED': camera.overloaded, 'MOTION': camera.pose_fault,
    }
    for word, reason in warnings.items():
        if reason:
            return Verdict(DiagnosticStatus.WARN, f'{word}: {reason}')
    return Verdict(DiagnosticStatus.OK, camera.idle or 'running')


def make_diagnostics(
    node: NodeReport, cameras: Sequence[CameraReport], stamp: Time
) -> DiagnosticArray:
    """Return the diagnostic message: one status for each camera."""
    array = DiagnosticArray(status=[_make_status(node, camera) for camera in cameras])
    array.header.stamp = stamp
    return array


def _make_status(node: NodeReport, camera: CameraReport) -> DiagnosticStatus:
    verdict = judge(node, camera)
    values = {
        **camera.entries, **node.entries,
        'state': node.lifecycle, 'device': node.device, 'camera': camera.name,
        'idle': camera.idle, 'withheld': camera.withheld, 'pose_fault': camera.pose_fault,
        'last_error': camera.last_error or node.broken,
    }
    suffix = f': {camera.name}' if camera.name else ''
    return DiagnosticStatus(
        level=verdict.level, name=f'perception_node: {node.name}{suffix}',
        message=verdict.message, hardware_id=node.device,
        values=[KeyValue(key=key, value=value) for key, value in values.items()],
    )


def model_entries(engine: Engine | None, parameter: str) -> dict[str, str]:
    """Return the entries that tell which model runs; empty texts without an engine."""
    file = engine.file if engine else None
    return {
        'model': parameter,
        'model_name': file.name if file else '',
        'model_sha256': file.sha256 if file else '',
        'model_notice': transfer_notice(engine) if engine else '',
        'labels': engine.labels.name if engine else '',
    }


def transfer_notice(engine: Engine, environment: Mapping[str, str] = os.environ) -> str:
    """Return why a model may be bad at what the camera shows, or an empty text."""
    return '' if environment.get(RENDERED_CAMERA) else engine.rooms_only_warning


def model_in_words(engine: Engine, parameter: str) -> str:
    """Return the parameter ``model`` with the name of the model that it selects."""
    name = engine.file.name if engine.file else parameter
    return repr(parameter) if parameter != 'default' else f'{parameter!r}, {name},'


def engine_entries(engine: Engine | None, values: Mapping[str, Any]) -> dict[str, str]:
    """Return what the engine chose with these parameter values; empty texts without an engine."""
    if engine is None:
        return dict.fromkeys(ENGINE_ENTRIES, '')
    # Only what the crossover depends on: before start-up is complete, other values may conflict.
    sharing = SharingSettings(
        temporal=values['temporal.enabled'], crossover=crossover_of(values))
    chosen = choices_of(engine, sharing)
    chosen['crossover'] = f'{chosen["crossover"]:.3f}'
    return {name: str(chosen[name]) for name in ENGINE_ENTRIES}


def memory_entries(engine: Engine | None) -> dict[str, str]:
    """Return the megabytes of the process and of the device; empty texts where unknown."""
    process = None
    if _STATM.exists():  # on Linux; the second number is the resident memory in pages
        pages = int(_STATM.read_text(encoding='utf-8').split()[1])
        process = pages * os.sysconf('SC_PAGE_SIZE') / 1e6
    device = engine.device_memory_mb() if engine is not None else None
    found = {'memory_mb': process, 'device_memory_mb': device}
    return {name: '' if value is None else f'{value:.1f}' for name, value in found.items()}


def describe_overload(flow: RecentFlow, latency_target_ms: float) -> str:
    """
    Return why the node cannot keep up with a camera, or an empty text.

    It cannot where most images are dropped, or where ``latency_target_ms`` (0.0 is off) is missed
    although it limits how many tokens are computed.
    """
    if flow.received < _FEWEST_IMAGES:
        return ''
    if 2 * flow.dropped > flow.received:
        return (
            f'{flow.published_hz:.1f} of {flow.received_hz:.1f} images a second are computed, the '
            f'others dropped; set max_rate to what is reached, raise temporal.threshold, or give '
            f'the node a faster device'
        )
    if 0 < latency_target_ms < flow.inference_ms_p95:
        return (
            f'inference takes {flow.inference_ms_p95:.1f} ms (p95), latency_target_ms is '
            f'{latency_target_ms:.1f}; raise it, or temporal.max_age, or temporal.threshold'
        )
    return ''
