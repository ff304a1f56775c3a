"""The state and the figures of node and cameras as a diagnostic message."""

from dataclasses import dataclass, field
from typing import Sequence

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue


@dataclass(frozen=True)
class NodeReport:
    """
    What the node says of itself.

    ``name`` is its fully qualified name, ``broken`` why a transition failed or the node gave up,
    empty where it did not. ``figures`` hold for every camera.
    """

    name: str
    lifecycle: str
    device: str = ''
    broken: str = ''
    figures: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class CameraReport:
    """
    What the node says of one camera; every text is empty where it does not hold.

    ``stale`` says why no image comes, ``idle`` why nothing is computed, ``withheld`` which outputs
    that somebody listens to are not published, ``overloaded`` why images are dropped, ``unposed``
    why other sensors do not tell the camera's motion, ``degraded`` which fault met the last
    frames, ``failing`` why they are useless.
    """

    name: str = ''
    stale: str = ''
    idle: str = ''
    withheld: str = ''
    overloaded: str = ''
    unposed: str = ''
    degraded: str = ''
    failing: str = ''
    last_error: str = ''
    figures: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """The level and the message of a diagnostic status."""

    level: bytes
    message: str


def judge(node: NodeReport, camera: CameraReport) -> Verdict:
    """Return how a camera is; the worst fault speaks."""
    if node.broken:
        return Verdict(DiagnosticStatus.ERROR, f'ERROR: {node.broken}')
    if node.lifecycle != 'active':
        return Verdict(DiagnosticStatus.WARN, node.lifecycle)
    if camera.failing:
        return Verdict(DiagnosticStatus.ERROR, f'ERROR: {camera.failing}')
    warnings = {
        'STALE': camera.stale, 'DEGRADED': camera.degraded, 'WITHHELD': camera.withheld,
        'OVERLOADED': camera.overloaded, 'MOTION': camera.unposed,
    }
    for word, reason in warnings.items():
        if reason:
            return Verdict(DiagnosticStatus.WARN, f'{word}: {reason}')
    return Verdict(DiagnosticStatus.OK, camera.idle or 'running')


def make_diagnostics(
    node: NodeReport, cameras: Sequence[CameraReport], stamp: Time
) -> DiagnosticArray:
    """Return the diagnostic message: one status with its figures for each camera."""
    array = DiagnosticArray(status=[_make_status(node, camera) for camera in cameras])
    array.header.stamp = stamp
    return array


def _make_status(node: NodeReport, camera: CameraReport) -> DiagnosticStatus:
    verdict = judge(node, camera)
    values = {
        **camera.figures, **node.figures,
        'state': node.lifecycle, 'device': node.device, 'camera': camera.name,
        'idle': camera.idle, 'withheld': camera.withheld,
        'pose_fault': camera.unposed,
        'last_error': camera.last_error or node.broken,
    }
    suffix = f': {camera.name}' if camera.name else ''
    return DiagnosticStatus(
        level=verdict.level, name=f'perception_node: {node.name}{suffix}',
        message=verdict.message, hardware_id=node.device,
        values=[KeyValue(key=key, value=value) for key, value in values.items()],
    )
