"""The page about a fleet: one HTML file that needs nothing else and runs no foreign code."""

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Sequence

import jinja2

from mtshare_ros.report.charts import Histogram, ShareChart


@dataclass(frozen=True)
class Figure:
    """A number of the page with its name and unit, and a note on what it means."""

    name: str
    value: str
    note: str = ''


@dataclass(frozen=True)
class Picture:
    """
    A JPEG file inside the page.

    ``text`` says what it shows for those who do not see it; ``title`` and ``caption`` are below.
    """

    jpeg: bytes
    text: str
    title: str
    caption: str = ''

    @property
    def address(self) -> str:
        """Return the picture as a data URI."""
        return 'data:image/jpeg;base64,' + base64.b64encode(self.jpeg).decode('ascii')


@dataclass(frozen=True)
class Table:
    """
    A table with a row of headers; the first column names the row.

    ``numeric`` are the numbers of the columns that hold numbers. ``sortable`` tables are sorted by
    a click on a header, where the browser runs scripts.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    numeric: frozenset[int] = frozenset()
    sortable: bool = False
    folded: bool = False
    note: str = ''


@dataclass(frozen=True)
class Section:
    """
    A part of the page: sentences, figures, charts, tables and pictures, in this order.

    ``key`` is its address in the page. ``warning`` sections are marked. A ``narrow`` one shares
    its line with others in a wide window, and takes ``lines`` of them.
    """

    key: str
    title: str
    texts: Sequence[str] = ()
    figures: Sequence[Figure] = ()
    shares: Sequence[ShareChart] = ()
    histograms: Sequence[Histogram] = ()
    tables: Sequence[Table] = ()
    pictures: Sequence[Picture] = ()
    warning: bool = False
    narrow: bool = False
    lines: int = 1


@dataclass(frozen=True)
class FleetPage:
    """
    What the page says; every text may come from a stranger's file names, and is escaped.

    ``state`` is ``ok`` or ``warn`` with ``message`` in one sentence. ``made`` says when and by
    what the page was made.
    """

    place: str
    state: str
    message: str
    made: str
    sections: Sequence[Section]


def write_fleet_page(page: FleetPage) -> str:
    """Return the page as HTML."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / 'templates'),
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=True)
    return environment.get_template('fleet.html.jinja').render(page=page)
