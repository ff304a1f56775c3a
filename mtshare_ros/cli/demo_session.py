"""The demo from inside: two nodes as processes, and the node that listens to them."""

import time
from typing import Any, Sequence

import numpy as np

from mtshare_ros.cli.node_process import ChildProcess
from mtshare_ros.cli.stopping import StopRequest
from mtshare_ros.errors import MtshareError
from mtshare_ros.inference.contact_sheet import SheetMaps, SheetRow

START_LIMIT_S = 90.0
"""How long the first map may take: loading PyTorch and compiling the renderer on a slow disk."""

SHEET_ROWS = 6


class DemoSession:
    """
    The nodes as the demo sees them, with a ``nodes.demo_monitor.DemoWatch`` as its eyes.

    That type is not named in the annotations, because importing it needs ROS 2.
    """

    def __init__(
        self, processes: Sequence[ChildProcess], watch: Any, stop: StopRequest
    ) -> None:
        self.monitor = watch.monitor
        self._watch = watch
        self._processes = processes
        self._stop = stop
        self._started = min(process.started for process in processes)
        self._first_map: float | None = None

    @property
    def is_stopped(self) -> bool:
        """Whether the user asked for the end."""
        return self._stop.requested

    def elapsed_s(self) -> float | None:
        """Return the seconds since the first map, None before it."""
        return None if self._first_map is None else time.monotonic() - self._first_map

    def start_s(self) -> float:
        """Return the seconds from the start to the first map, or to now."""
        return (self._first_map or time.monotonic()) - self._started

    def spin(self, seconds: float) -> None:
        """Handle messages for a while; raise MtshareError where a node failed or ended."""
        deadline = time.monotonic() + seconds
        while not self.is_stopped and (left := deadline - time.monotonic()) > 0:
            self._watch.handle(min(left, 0.1))
            if self._first_map is None and self.monitor.has_maps():
                self._first_map = time.monotonic()
        if not self.is_stopped:
            self._check()

    def _check(self) -> None:
        for process in self._processes:
            process.check()
        report = self.monitor.report
        if report.failed and self._first_map is None:
            raise MtshareError(f'perception_node: {report.message.removeprefix("ERROR: ")}')
        if self._first_map is None and self.start_s() > START_LIMIT_S:
            said = '\n'.join(f'{process.name} said:\n{process.tail()}'
                             for process in self._processes)
            raise MtshareError(f'no map came within {START_LIMIT_S:.0f} s\n{said}')

    def figures(self) -> dict[str, Any]:
        """Return what was measured, as the JSON file holds it."""
        ages, report = self.monitor.ages_ms(), self.monitor.report
        return {
            'input_hz': report.number('input_hz'),
            'output_hz': {topic: round(tally.mean_hz(), 2)
                          for topic, tally in self.monitor.tallies.items()},
            'age_ms': {'p50': _percentile(ages, 50), 'p95': _percentile(ages, 95)},
            'dropped': int(np.nan_to_num(report.number('dropped'))),
            'processed': int(np.nan_to_num(report.number('processed'))),
            'inference_ms': {'p50': report.number('inference_ms_p50'),
                             'p95': report.number('inference_ms_p95')},
            'active_fraction': report.number('active_fraction'),
            'macs_saved_percent': report.number('macs_saved_percent'),
            'first_map_s': round(self.start_s(), 2),
            'model': report.values.get('model', ''),
            'device': report.values.get('device', ''),
        }

    def sheet_rows(self) -> list[SheetRow]:
        """Return some frames with their true and predicted maps."""
        collector = self.monitor.collector
        sets = collector.sets(SHEET_ROWS) if collector is not None else []
        return [SheetRow(item.image, SheetMaps(**item.truth), SheetMaps(**item.found))
                for item in sets]


def _percentile(values: list[float], percent: float) -> float:
    return round(float(np.percentile(values, percent)), 1) if values else float('nan')
