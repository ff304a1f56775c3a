"""
The tables of README.md, rendered from the tables of the code.

``make readme`` writes them between the comments that mark their places; a test compares them.
"""

from pathlib import Path
import re
from typing import Callable, Iterable

from mtshare_ros.nodes.parameters import ParameterSpec
from mtshare_ros.nodes.perception.outputs import ALL_OUTPUTS
from mtshare_ros.nodes.perception.parameter_table import PERCEPTION_PARAMETERS
from mtshare_ros.nodes.sim_camera.parameter_table import SIM_CAMERA_PARAMETERS
from mtshare_ros.nodes.video_camera.parameter_table import VIDEO_CAMERA_PARAMETERS

README = Path(__file__).resolve().parent.parent / 'README.md'


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
        for output in ALL_OUTPUTS
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


TABLES: dict[str, Callable[[], str]] = {
    'outputs': output_table,
    'perception parameters': lambda: parameter_table(PERCEPTION_PARAMETERS),
    'camera parameters': lambda: parameter_table(SIM_CAMERA_PARAMETERS),
    'video camera parameters': lambda: parameter_table(VIDEO_CAMERA_PARAMETERS),
}
"""The tables by the name that marks their place."""


def place_of(name: str) -> re.Pattern[str]:
    """Return the pattern of a table's place; its groups are the mark, the table, the end."""
    return re.compile(f'(<!-- table: {name} -->\n)(.*?)(<!-- end -->)', re.DOTALL)


def write_tables() -> None:
    """Bring every table of the README up to date."""
    text = README.read_text()
    for name, render in TABLES.items():
        before, after = place_of(name).search(text).span(2)
        text = text[:before] + render() + text[after:]
    README.write_text(text)


if __name__ == '__main__':
    write_tables()
