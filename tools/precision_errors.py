"""
Print what half precision changes in models, as a table: ``tools/precision_errors.py MODEL...``.

Computed on the CPU, which rounds as a GPU does, on rooms filmed from the hand; a minute for a
small model, ten for one of 22 million weights.
"""

import sys
from typing import Sequence

from mtshare_ros.data.rooms.streams import STREAMS
from mtshare_ros.evaluation.precision import HALVES, precision_errors, PrecisionError
from mtshare_ros.model.checkpoint import load_checkpoint
from mtshare_ros.model.manifest import find_model
from mtshare_ros.model.ranges import measure_peaks
from mtshare_ros.tasks import DEFAULT_TASKS

FRAMES = 10


def row(title: str, cells: Sequence[str]) -> str:
    """Return a line of the table."""
    return f'| {title} | {" | ".join(cells)} |'


def cell(error: PrecisionError | None) -> str:
    """Return the three errors of a task in per cent."""
    if error is None:
        return '-'
    return ' / '.join(f'{100 * value:.2g}' for value in (error.dense, error.shared, error.map))


def main(models: list[str]) -> int:
    """Print one line for every model and precision; return the exit code."""
    print(row('model, its largest number', ('', *DEFAULT_TASKS)))
    print(row('---', ['---'] * (1 + len(DEFAULT_TASKS))))
    for name in models:
        checkpoint = load_checkpoint(find_model(name).path)
        size = checkpoint.description.architecture.input_size
        stream = STREAMS['handheld']
        video = stream.video(stream.seeds[0], height=size[0], width=size[1])
        images = [video.frame(number).image for number in range(FRAMES)]
        peak = measure_peaks(checkpoint.network, size)[0]
        for precision, dtype in HALVES.items():
            errors = {item.task: item for item in precision_errors(checkpoint, images, dtype)}
            cells = [cell(errors.get(task)) for task in DEFAULT_TASKS]
            print(row(f'{name}, {peak.value:.0f}', (precision, *cells)), flush=True)
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
