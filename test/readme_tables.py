"""
The tables of README.md and docs/interface.md, rendered from the tables of the code.

``make readme`` writes them between the comments that mark their places; a test compares them.
"""

from dataclasses import dataclass
from pathlib import Path
import re
from typing import Callable, Iterable

from mtshare_ros.inference.map_outputs import OUTPUTS
from mtshare_ros.nodes.parameters import ParameterSpec
from mtshare_ros.nodes.perception.parameter_table import PERCEPTION_PARAMETERS
from mtshare_ros.nodes.sim_camera.parameter_table import SIM_CAMERA_PARAMETERS
from mtshare_ros.nodes.video_camera.parameter_table import VIDEO_CAMERA_PARAMETERS

ROOT = Path(__file__).resolve().parent.parent
MOST_USED = (
    'model', 'device', 'input_size', 'temporal.threshold', 'task.threshold',
    'temporal.refresh_period', 'latency_target_ms', 'motion.source', 'max_rate', 'cameras')
"""The parameters that the README shows; docs/interface.md shows all."""


def table(titles: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table."""
    titles = list(titles)
    lines = [titles, ['---'] * len(titles), *rows]
    return ''.join(f'| {" | ".join(cells)} |\n' for cells in lines)


def output_table() -> str:
    """Return the topics that the perception node publishes."""
    rows = [
        [f'`{output.topic}`', f'`{output.encoding}`' if output.encoding else output.message,
         output.text]
        for output in OUTPUTS
    ]
    return table(['topic', 'encoding', 'what it holds'], rows)


def allowed(spec: ParameterSpec) -> str:
    """Return the type of a parameter with its range or its choices."""
    kind = spec.kind.replace('_array', '[]')
    if spec.choices:
        return ', '.join(f'`{choice}`' for choice in spec.choices)
    limits = f' {spec.limits[0]} to {spec.limits[1]}' if spec.limits else ''
    return f'{kind}{limits} {spec.unit}'.strip()


def parameter_row(spec: ParameterSpec) -> list[str]:
    """Return the cells of one parameter."""
    default = str(spec.default).lower() if isinstance(spec.default, bool) else str(spec.default)
    when = 'at start' if spec.read_only else 'any time'
    return [f'`{spec.name}`', f"`{default or repr('')}`", allowed(spec), when, spec.text]


def parameter_table(specs: Iterable[ParameterSpec]) -> str:
    """Return the parameters of a node."""
    titles = ['parameter', 'default', 'allowed', 'set', 'meaning']
    return table(titles, [parameter_row(spec) for spec in specs])


def most_used_table() -> str:
    """Return the parameters of the perception node that most people change."""
    return parameter_table([PERCEPTION_PARAMETERS[name] for name in MOST_USED])


@dataclass(frozen=True)
class Table:
    """A table in a page: the path of the page in the checkout, and what renders the table."""

    page: str
    render: Callable[[], str]


TABLES = {
    'outputs': Table('README.md', output_table),
    'most used parameters': Table('README.md', most_used_table),
    'perception parameters': Table(
        'docs/interface.md', lambda: parameter_table(PERCEPTION_PARAMETERS)),
    'camera parameters': Table(
        'docs/interface.md', lambda: parameter_table(SIM_CAMERA_PARAMETERS)),
    'video camera parameters': Table(
        'docs/interface.md', lambda: parameter_table(VIDEO_CAMERA_PARAMETERS)),
}
"""The tables by the name that marks their place."""


def find_table(name: str) -> re.Match[str] | None:
    """Find a table in its page; the groups are the mark, the table, the end."""
    pattern = f'(<!-- table: {name} -->\n)(.*?)(<!-- end -->)'
    return re.search(pattern, (ROOT / TABLES[name].page).read_text(), re.DOTALL)


def write_tables() -> None:
    """Bring every table up to date."""
    for name, place in TABLES.items():
        found = find_table(name)
        before, after = found.span(2)
        page = ROOT / place.page
        page.write_text(found.string[:before] + place.render() + found.string[after:])


if __name__ == '__main__':
    write_tables()
