"""What a run over a recording came to, on the terminal and as JSON."""

from dataclasses import asdict, dataclass, field
import math
from pathlib import Path
from typing import Any, Mapping, TYPE_CHECKING

import typer

from mtshare_ros.cli.output import print_table, write_json

if TYPE_CHECKING:
    from mtshare_ros.inference.engine import Engine
    from mtshare_ros.sharing.settings import SharingSettings


@dataclass(frozen=True)
class Outcome:
    """
    The result of a run.

    ``frames`` lie in the output, ``skipped`` images could not be read; the first ``resumed_at``
    of both are from an interrupted run, and not in ``figures``. ``damage`` says where the input
    could not be read any further, and is empty where it could. ``left_out`` counts for topics the
    frames that lack them. ``missing`` images should be in the input and are not, None where that
    is not known.
    """

    engine: 'Engine'
    source: str
    target: str
    frames: int
    skipped: int
    resumed_at: int
    figures: dict[str, Any]
    sharing: 'SharingSettings'
    damage: str = ''
    left_out: Mapping[str, int] = field(default_factory=dict)
    missing: int | None = None

    def values(self) -> dict[str, Any]:
        """Return everything as the JSON file holds it."""
        from mtshare_ros.inference.machine_costs import choices_of

        file = self.engine.file
        return {
            'input': self.source, 'output': self.target,
            'model': file.name if file is not None else '', 'device': self.engine.device,
            'input_size': list(self.engine.input_size), 'frames': self.frames,
            'skipped': self.skipped, 'missing': self.missing,
            'resumed_at': self.resumed_at, **self.figures,
            'damage': self.damage, 'left_out': dict(self.left_out),
            'sharing': asdict(self.sharing),
            'computed_with': choices_of(self.engine, self.sharing),
        }


def report(outcome: Outcome, json: Path | None) -> None:
    """Print the outcome and write it to a file; end with exit code 1 for a damaged input."""
    print_outcome(outcome)
    for task, count in outcome.figures['non_finite'].items():
        warn(f'{count} frames have invalid pixels, because the network returned NaN or infinity '
             f'for {task}; try --precision fp32, or get the model file again')
    if json is not None:
        write_json(json, outcome.values())
    if outcome.damage:
        warn(f'error: {outcome.damage}; everything else is in {outcome.target}')
        raise typer.Exit(1)


def print_outcome(outcome: Outcome) -> None:
    """Print the figures as a table."""
    figures, ms = outcome.figures, outcome.figures['ms']
    print_table(f'{outcome.target}: {outcome.frames} frames with their maps', ('', ''), (
        ('images that could not be read', str(outcome.skipped)),
        *((('images that are missing', str(outcome.missing)),) if outcome.missing else ()),
        *((f'frames without {topic}', str(count)) for topic, count in outcome.left_out.items()),
        ('frames computed in this run', str(figures['computed'])),
        ('ms a frame, median and p95', f'{_figure(ms["p50"])}  {_figure(ms["p95"])}'),
        ('rows computed, of all tasks and blocks %', _figure(100 * figures['active_fraction'])),
        # frames that stand for themselves save nothing
        *((('multiplications saved %', _figure(figures['macs_saved_percent'])),)
          if outcome.sharing.shares else ()),
    ))


def warn(line: str) -> None:
    """Say a line on standard error."""
    typer.echo(f'mtshare: {line}', err=True)


def _figure(value: float) -> str:
    return f'{value:.1f}' if math.isfinite(value) else '-'
