"""The command line of ``tools/gpu_check.sh``."""

import argparse
from dataclasses import replace
from pathlib import Path
import signal
import sys

from gpu_check.results import Results
from gpu_check.running import run_steps, Step
from gpu_check.steps import STEPS
from gpu_check.summary import all_passed, summarise

_PRETENDED_PATIENCE = 10
"""
How many times as long a step may take on a pretended GPU.

That is a CPU of any speed, which may be busy, and the few frames of a step end it soon enough:
only one that hangs shall be cut off.
"""


def main(arguments: list[str] | None = None) -> int:
    """Run the steps that the options select, print a summary, and return the exit code."""
    options = _parse(arguments)
    options.output.mkdir(parents=True, exist_ok=True)
    results = Results(options.output / 'results.json')
    steps = [step for step in (_pretended_steps() if options.pretend else STEPS)
             if step.name.startswith(tuple(options.steps) or '')]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    run_steps(steps, results, pretend=options.pretend)
    text = summarise(results.lines(), pretend=options.pretend)
    (options.output / 'summary.txt').write_text(text + '\n')
    print(text)
    return 0 if all_passed(results.lines()) else 1


def _pretended_steps() -> list[Step]:
    return [replace(step, seconds=_PRETENDED_PATIENCE * step.seconds)
            for step in STEPS if not step.alike]


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='tools/gpu_check.sh',
        description='Check what this package does on the GPU of this machine.')
    parser.add_argument('--output', type=Path, default=Path('gpu_check'), metavar='FOLDER',
                        help='folder of summary.txt, and of results.json and log.txt, which are '
                             'appended to')
    parser.add_argument('--pretend', action='store_true',
                        help='run everything on a pretended GPU, with tiny models and few frames')
    parser.add_argument('--steps', nargs='*', default=[], metavar='STEP',
                        help='run only the steps whose names begin with these words: ' + ', '.join(
                            dict.fromkeys(step.name.partition(':')[0] for step in STEPS)))
    return parser.parse_args(arguments)


if __name__ == '__main__':
    sys.exit(main())
