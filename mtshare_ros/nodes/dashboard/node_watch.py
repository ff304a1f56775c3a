"""What the perception node says of itself, now and over the last minute."""

from collections import deque
import math
import time
from typing import Any, Callable

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus

LOST_AFTER_S = 3.5
"""Silence after which the node counts as lost; it speaks once a second, at least every third."""

HISTORY_S = 60.0

_LEVELS = {
    DiagnosticStatus.OK: 'ok', DiagnosticStatus.WARN: 'warn',
    DiagnosticStatus.ERROR: 'error', DiagnosticStatus.STALE: 'warn',
}
_CHARTED = ('inference_ms_p50', 'inference_ms_p95', 'age_ms_p50', 'age_ms_p95',
            'active_fraction', 'macs_saved_percent')


class NodeWatch:
    """
    The diagnostics of one node, one status for each of its cameras.

    ``target`` is the node's full name. A status is called ``<program>: <target>``, and
    ``<program>: <target>: <camera>`` where there are several cameras.
    """

    def __init__(self, target: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._target = target
        self._clock = clock
        self._heard_s = clock()
        self._statuses: dict[str, dict[str, Any]] = {}
        self._history: dict[str, deque[tuple[float, dict[str, float | None]]]] = {}

    @property
    def is_alive(self) -> bool:
        """Whether the node has spoken lately."""
        return bool(self._statuses) and self._silent_s() < LOST_AFTER_S

    def figure(self, name: str) -> str:
        """Return a figure that holds for every camera, an empty text where it was not told."""
        return next((status['figures'].get(name, '') for status in self._statuses.values()), '')

    @property
    def figures(self) -> dict[str, dict[str, str]]:
        """The figures told last of each camera, by its name."""
        return {camera: status['figures'] for camera, status in self._statuses.items()}

    def read(self, message: DiagnosticArray) -> bool:
        """Take in a message; return whether it is one of the node's."""
        names = [status.name.split(': ') for status in message.status]
        found = [(name, status) for name, status in zip(names, message.status)
                 if name[1:2] == [self._target]]
        for name, status in found:
            self._keep(': '.join(name[2:]), status)
        if found:
            self._heard_s = self._clock()
        return bool(found)

    def describe(self) -> dict[str, Any]:
        """Return what a page shows; figures that are no numbers are None in the history."""
        return {
            'node': self._target, 'alive': self.is_alive, 'heard': bool(self._statuses),
            'silent_s': round(self._silent_s(), 1), 'cameras': self._statuses,
            'history': {camera: self._recent(camera) for camera in self._history},
        }

    def _silent_s(self) -> float:
        return self._clock() - self._heard_s

    def _keep(self, camera: str, status: DiagnosticStatus) -> None:
        figures = {item.key: item.value for item in status.values}
        self._statuses[camera] = {
            'level': _LEVELS.get(status.level, 'error'), 'message': status.message,
            'figures': figures,
        }
        points = self._history.setdefault(camera, deque(maxlen=2 * int(HISTORY_S)))
        points.append((self._clock(), {name: _number(figures.get(name)) for name in _CHARTED}))

    def _recent(self, camera: str) -> list[dict[str, float | None]]:
        now_s = self._clock()
        return [{'age_s': round(now_s - at_s, 1), **values}
                for at_s, values in self._history[camera] if now_s - at_s <= HISTORY_S]


def _number(text: str | None) -> float | None:
    try:
        value = float(text or 'nan')
    except ValueError:
        return None
    return value if math.isfinite(value) else None
