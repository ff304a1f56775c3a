"""The tensors in what the network remembers of a camera, by name."""

from dataclasses import fields, is_dataclass, replace
from typing import Any, Callable, Iterator, Mapping

import torch


def tensors_of(value: Any) -> dict[str, torch.Tensor]:
    """Return the tensors in dataclasses, mappings and sequences by names that tell the way."""
    return dict(_leaves(value, ''))


def with_tensors(value: Any, tensors: Mapping[str, torch.Tensor]) -> Any:
    """Return the same with other tensors, all of those that ``tensors_of`` names."""
    return _mapped(value, '', lambda name, _: tensors[name])


def _leaves(value: Any, name: str) -> Iterator[tuple[str, torch.Tensor]]:
    if isinstance(value, torch.Tensor):
        yield name, value
    for part, child in _parts(value):
        yield from _leaves(child, f'{name}_{part}'.lstrip('_'))


def _parts(value: Any) -> list[tuple[str, Any]]:
    if is_dataclass(value):
        return [(field.name, getattr(value, field.name)) for field in fields(value) if field.init]
    if isinstance(value, dict):
        return [(key if isinstance(key, str) else str(number), child)
                for number, (key, child) in enumerate(value.items())]
    if isinstance(value, (tuple, list)):
        return [(str(number), child) for number, child in enumerate(value)]
    return []


def _mapped(
    value: Any, name: str, change: Callable[[str, torch.Tensor], torch.Tensor]
) -> Any:
    if isinstance(value, torch.Tensor):
        return change(name, value)
    children = [_mapped(child, f'{name}_{part}'.lstrip('_'), change)
                for part, child in _parts(value)]
    if is_dataclass(value):
        return replace(value, **{part: child for (part, _), child
                                 in zip(_parts(value), children)})  # type: ignore[type-var]
    if isinstance(value, dict):
        return dict(zip(value, children))
    return type(value)(children) if isinstance(value, (tuple, list)) else value
