"""The node's state and figures as a diagnostic message."""

from dataclasses import dataclass, field

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue


@dataclass(frozen=True)
class NodeState:
    """
    What the node says of itself.

    ``name`` is its fully qualified name, ``stale`` says why no image comes, ``idle`` why nothing
    is computed, ``degraded`` which fault met the last frames, ``broken`` why a transition
    failed; each is empty where it does not hold.
    """

    name: str
    lifecycle: str
    model: str = ''
    device: str = ''
    stale: str = ''
    idle: str = ''
    degraded: str = ''
    broken: str = ''
    last_error: str = ''
    figures: dict[str, str] = field(default_factory=dict)


def judge(state: NodeState) -> tuple[bytes, str]:
    """Return the level and the message of a state; the worst fault speaks."""
    if state.broken:
        return DiagnosticStatus.ERROR, f'ERROR: {state.broken}'
    if state.lifecycle != 'active':
        return DiagnosticStatus.WARN, state.lifecycle
    if state.stale:
        return DiagnosticStatus.WARN, f'STALE: {state.stale}'
    if state.degraded:
        return DiagnosticStatus.WARN, f'DEGRADED: {state.degraded}'
    return DiagnosticStatus.OK, state.idle or 'running'


def make_diagnostics(state: NodeState, stamp: Time) -> DiagnosticArray:
    """Return the diagnostic message of a state, one status with its figures."""
    level, message = judge(state)
    values = {
        **state.figures,
        'state': state.lifecycle, 'model': state.model, 'device': state.device,
        'idle': state.idle, 'last_error': state.last_error,
    }
    status = DiagnosticStatus(
        level=level, name=f'perception_node: {state.name}', message=message,
        hardware_id=state.device,
        values=[KeyValue(key=key, value=value) for key, value in values.items()],
    )
    array = DiagnosticArray(status=[status])
    array.header.stamp = stamp
    return array
