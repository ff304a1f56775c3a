"""Summaries of segments added up, in any order and grouping."""

from typing import Any, Iterable, Mapping

MOST_DIFFERENT = 12
"""How many of the frames in which two models differ most are kept."""


def merge(summaries: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """
    Return the summary of all segments together, which does not depend on their order or grouping.

    Numbers are added by name. Lists hold the frames that differ most, and of all of them the first
    MOST_DIFFERENT are kept. The summary of no segment is empty.
    """
    total: dict[str, Any] = {}
    for summary in summaries:
        add(total, summary)
    return total


def add(total: dict[str, Any], values: Mapping[str, Any]) -> None:
    """Add a summary to a total, which changes."""
    for name, value in values.items():
        if isinstance(value, int):
            total[name] = total.get(name, 0) + value
        elif isinstance(value, list):
            total[name] = _most_different(total.get(name, []), value)
        else:
            add(total.setdefault(name, {}), value)


def _most_different(
    kept: list[dict[str, Any]], frames: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return the MOST_DIFFERENT of all frames, the most different first."""
    if len(kept) == MOST_DIFFERENT:
        least = kept[-1]['score_ppm']
        frames = [frame for frame in frames if frame['score_ppm'] >= least]
    return sorted([*kept, *frames], key=_rank)[:MOST_DIFFERENT] if frames else kept


def _rank(frame: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what frames are sorted by; no two frames of a fleet agree in all of it."""
    return (-frame['score_ppm'], frame.get('recording', ''), frame.get('segment', 0),
            frame['time_ns'], frame['image'])
