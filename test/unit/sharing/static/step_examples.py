"""Arguments of the operators before the first block and between blocks."""

import torch

from mtshare_ros.sharing.static.plain_steps import Norm
from mtshare_ros.sharing.static.static_stem import transmitted_table


def examples_of_entering():
    """Return the arguments of each operator of ``entering``, the same in every call."""
    generator = torch.Generator().manual_seed(1)
    tokens, values, weight, bias = (
        torch.randn(shape, generator=generator) for shape in ((5, 8), (1, 5, 8), (8,), (8,)))
    position, reference = torch.randn(2, 11, 8, generator=generator)
    index, norm = torch.tensor([0, 3, 4, 10, 10]), Norm(weight, bias, 1e-6)
    return {
        'enter': (tokens.half(), position, index, reference, index == 4),
        'take': (tokens, index, torch.tensor([3, 0]), reference, position[:2],
                 torch.tensor([11, 12]), norm, torch.float16),
        'norm_store': (values, norm, torch.zeros(2, 11, 16)[..., 8:], index),
        'take_patches': (
            torch.arange(8 * 12 * 3).to(torch.uint8).view(8, 12, 3), torch.tensor([0, 4, 4]),
            transmitted_table((2, 3), 2, 2), torch.randn(12, generator=generator),
            torch.tensor([0.25]), torch.zeros(25, 12), 2, 2)}
