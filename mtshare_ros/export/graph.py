"""What becomes an ONNX file: a module with example inputs, and what its inputs and outputs are."""

from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import nn


@dataclass(frozen=True)
class Port:
    """An input or an output of a file: its name there, and what it holds in words."""

    name: str
    text: str


@dataclass(frozen=True)
class Graph:
    """
    A module of fixed shapes; ``forward(*examples)`` returns a tuple in the order of ``outputs``.

    ``facts`` are further entries for the metadata of the file. ``states`` says by output which
    input it becomes in the next frame.
    """

    module: nn.Module
    examples: tuple[torch.Tensor, ...]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    facts: dict[str, object] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)

    @cached_property
    def results(self) -> tuple[torch.Tensor, ...]:
        """What PyTorch computes of the examples."""
        with torch.no_grad():
            return self.module(*(value.clone() for value in self.examples))


IMAGE = Port('image', 'RGB, (height, width, 3), 0 to 255; normalised in the file')


def example_image(size: tuple[int, int], seed: int = 0) -> torch.Tensor:
    """Return an image (H, W, 3) uint8 of noise, always the same."""
    made = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (*size, 3), dtype=torch.uint8, generator=made)
