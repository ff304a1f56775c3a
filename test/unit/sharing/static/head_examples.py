"""Arguments of the operators that begin and end a layer of heads."""

import torch


def examples_of_heads():
    """Return the arguments of each operator of ``stores``, the same in every call."""
    generator = torch.Generator().manual_seed(2)
    values, bias, rows, matrices, offsets, shown = (
        torch.randn(shape, generator=generator) for shape in (
            (2, 3, 8), (2, 1, 8), (2, 6, 8), (2, 8, 5), (2, 1, 5), (2, 6, 5)))
    index = torch.tensor([0, 2, 5])
    return {
        'gather': (rows, torch.tensor([[0, 1], [5, 2], [4, 4], [0, 5], [1, 2], [3, 3]]).int(),
                   index),
        'relu_store': (values, bias, rows, index),
        'predict': (values, bias, matrices, offsets, shown, index)}
