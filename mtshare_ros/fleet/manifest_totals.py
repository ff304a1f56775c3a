"""Sums over the rows of a manifest."""

from dataclasses import dataclass
from typing import Any

from mtshare_ros.errors import import_extra

SUMMED = ('source', 'segment', 'state', 'frames', 'skipped', 'output_bytes', 'seconds')
"""The columns that ``total`` reads."""


@dataclass(frozen=True)
class Totals:
    """
    What a manifest holds.

    ``recordings`` has all, ``failed`` and ``duplicates`` those with a row of that state. The
    others are sums over the segments that are done: their number, computed images, images that
    could not be decoded, bytes written, and the time of all workers in s.
    """

    recordings: int
    segments: int
    frames: int
    skipped: int
    output_bytes: int
    seconds: float
    failed: int
    duplicates: int


def total(table: Any) -> Totals:
    """Return the sums over a table with the columns ``SUMMED``."""
    compute = import_extra('pyarrow.compute', 'a manifest', 'fleet')

    def recordings(state: str) -> int:
        return len(table.filter(compute.equal(table['state'], state))['source'].unique())

    done = table.filter(compute.and_(compute.equal(table['state'], 'done'),
                                     compute.greater_equal(table['segment'], 0)))
    sums = {name: compute.sum(done[name], min_count=0).as_py()
            for name in ('frames', 'skipped', 'output_bytes', 'seconds')}
    return Totals(
        recordings=len(table['source'].unique()), segments=len(done), failed=recordings('failed'),
        duplicates=recordings('duplicate'), **sums)
