"""
The values in the arguments and results of an operator, which lists and tuples may hold.

``torch.utils._pytree`` does the same for containers of every kind. Every operator passes here
several times, and most of the time of a test on a pretended device would go into that.
"""

from __future__ import annotations

from typing import Any, Callable


def map_leaves(function: Callable[[Any], Any], tree: Any) -> Any:
    """Return lists, tuples and dictionaries as they are, with every other value replaced."""
    kind = type(tree)
    if kind is tuple or kind is list:
        return kind([map_leaves(function, value) for value in tree])
    if kind is dict:
        return {name: map_leaves(function, value) for name, value in tree.items()}
    return function(tree)


def leaves_of(tree: Any) -> list[Any]:
    """Return the values in the order in which ``map_leaves`` meets them."""
    found: list[Any] = []
    _collect(tree, found)
    return found


def _collect(tree: Any, found: list[Any]) -> None:
    kind = type(tree)
    if kind is tuple or kind is list:
        for value in tree:
            _collect(value, found)
    elif kind is dict:
        for value in tree.values():
            _collect(value, found)
    else:
        found.append(tree)
