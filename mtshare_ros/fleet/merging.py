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
        _add(total, summary)
    return total


def _add(total: dict[str, Any], values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if isinstance(value, Mapping):
            _add(total.setdefault(name, {}), value)
        elif isinstance(value, list):
            total[name] = most_different([*total.get(name, ()), *value])[:MOST_DIFFERENT]
        else:
            total[name] = total.get(name, 0) + value


def most_different(frames: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return frames with the most different first, equally different ones by their text."""
    return sorted(frames, key=lambda frame: (-frame['score_ppm'], sorted(
        (name, str(value)) for name, value in frame.items())))
