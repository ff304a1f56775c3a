"""Figures as text, and text as Markdown."""

from dataclasses import dataclass
from typing import Iterable, Sequence

from mtshare_ros.tasks import get_task

NOT_MEASURED = 'not measured'


@dataclass(frozen=True)
class MainFigure:
    """How the main metric of a task is called and written."""

    name: str
    unit: str
    form: str

    def write(self, value: float | None) -> str:
        """Return the value without its unit."""
        return written(value, self.form)

    def with_unit(self, value: float | None) -> str:
        """Return the value with its unit."""
        return written(value, self.form, unit=self.suffix)

    @property
    def suffix(self) -> str:
        """The unit as it follows a number."""
        return self.unit if self.unit == '°' else f' {self.unit}'


MAIN_FIGURES = {
    'semseg': MainFigure('mean IoU', '%', '.1f'),
    'depth': MainFigure('RMSE', 'm', '.3f'),
    'normals': MainFigure('mean angle', '°', '.1f'),
    'edge': MainFigure('F', '%', '.1f'),
    'human_parts': MainFigure('mean IoU', '%', '.1f'),
    'saliency': MainFigure('largest F', '%', '.1f'),
}
"""The main metric of every task by task id."""


def head_of(task: str) -> str:
    """Return the head of a task's column; the arrow says which way is better."""
    figure = MAIN_FIGURES[task]
    arrow = '↑' if get_task(task).higher_is_better else '↓'
    return f'{task}: {figure.name}, {figure.unit} {arrow}'


def written(value: float | None, form: str, factor: float = 1.0, unit: str = '') -> str:
    """Return ``factor`` times a value in a format; None is said to be missing."""
    return NOT_MEASURED if value is None else f'{factor * value:{form}}{unit}'


def percent(share: float | None) -> str:
    """Return a share of 0 to 1 in per cent, without the sign."""
    return written(share, '.1f', 100)


def signed(change: float | None) -> str:
    """Return a change in per cent, without the sign of per cent."""
    return written(change, '+.2f')


def counted(number: float | None) -> str:
    """Return a whole number with a blank between thousands."""
    return written(number, ',.0f').replace(',', ' ')


def table(
    heads: Sequence[str], rows: Iterable[Sequence[str]], *, align: str = '---:'
) -> str:
    """Return a Markdown table: the first column is text, the others are figures."""
    lines = [heads, ['---', *[align] * (len(heads) - 1)], *rows]
    return '\n'.join(f'| {" | ".join(map(_cell, cells))} |' for cells in lines)


def bullets(lines: Iterable[str]) -> str:
    """Return a list."""
    return '\n'.join(f'* {line}' for line in lines)


def paragraphs(*parts: str) -> str:
    """Return parts with an empty line between them; empty ones are left out."""
    return '\n\n'.join(part for part in parts if part)


def _cell(text: str) -> str:
    return text.replace('|', '\\|')
