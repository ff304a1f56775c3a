"""The largest numbers of a network, and whether half precision can hold them."""

from typing import Callable

import torch
from torch import nn

from mtshare_ros.model.description import ModelDescription, Peak
from mtshare_ros.model.network import fuse_batch_norm, MultiTaskNetwork

HALF_MAX = torch.finfo(torch.float16).max
"""65,504: what is larger is infinite in fp16."""

RESERVE = 4
"""How many times the numbers of the trial picture those of other images may reach."""

_LISTED = 3
_RECTANGLES = 60


def trial_picture(size: tuple[int, ...]) -> torch.Tensor:
    """Return a picture (H, W, 3) uint8 of rectangles of all colours and sizes, and noise."""
    random = torch.Generator().manual_seed(0)
    height, width = size
    image = torch.randint(256, (*size, 3), generator=random, dtype=torch.uint8)
    for _ in range(_RECTANGLES):
        top, left, tall, wide = (
            int(torch.randint(most, (), generator=random)) for most in (height, width) * 2)
        colour = torch.randint(256, (3,), generator=random, dtype=torch.uint8)
        image[top:top + tall // 2, left:left + wide // 2] = colour
    return image


def measure_peaks(network: MultiTaskNetwork, size: tuple[int, ...]) -> tuple[Peak, ...]:
    """
    Return the largest numbers that half precision would have to hold, the largest first.

    They are measured in float32 on a trial picture of (height, width), one for each layer. The
    residual stream counts only where a layer reads it, as its sums are float32 in every precision.
    """
    fused, found = fuse_batch_norm(network).float(), dict[str, float]()
    hooks = [module.register_forward_hook(_noting(found, name))
             for name, module in fused.named_modules() if isinstance(module, _LAYERS)]
    with torch.inference_mode():
        fused(trial_picture(size).permute(2, 0, 1)[None])
    for hook in hooks:
        hook.remove()
    return tuple(_largest(found)[:_LISTED])


def weight_peak(network: nn.Module) -> Peak:
    """Return the largest weight of a network."""
    named = dict(network.named_parameters())
    values = torch.stack([value.detach().abs().amax().float() for value in named.values()])
    return _largest(dict(zip(named, values.tolist())))[0]


def peaks_of(network: MultiTaskNetwork, description: ModelDescription) -> tuple[Peak, ...]:
    """Return the peaks that a model's file names, else measure them."""
    return description.peaks or measure_peaks(network, description.architecture.input_size)


def doubt_half(
    weights: Peak, peaks: tuple[Peak, ...], instead: str = 'bf16 or fp32'
) -> tuple[str, ...]:
    """
    Return what the user of fp16 should know of a model's largest weight and activations.

    ``instead`` names the precisions that the text advises.
    """
    advice = f'and fp16 holds at most {HALF_MAX:,.0f}: set precision to {instead}'
    doubts = []
    if not weights.value <= HALF_MAX:
        doubts.append(f'the weight {weights.name} holds {weights.value:,.0f}, {advice}')
    for peak in peaks[:1]:
        if not peak.value <= HALF_MAX / RESERVE:
            doubts.append(f'the layer {peak.name} reached {peak.value:,.0f} on a trial picture, '
                          f'others may reach {RESERVE} times as much, {advice}')
    return tuple(doubts)


_LAYERS = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d, nn.LayerNorm, nn.BatchNorm2d)
_NORMS = (nn.LayerNorm, nn.BatchNorm2d)


def _noting(found: dict[str, float], name: str) -> Callable[..., None]:
    """Return a hook that stores the largest number in what a layer reads and returns."""
    def note(module: nn.Module, taken: tuple[torch.Tensor, ...], given: torch.Tensor) -> None:
        # layer norms read the residual stream, whose sums are float32 in every precision
        tensors = (given,) if isinstance(module, _NORMS) else (*taken, given)
        found[name] = max(tensor.abs().amax().item() for tensor in tensors)

    return note


def _largest(values: dict[str, float]) -> list[Peak]:
    """Return peaks by name, the largest first; NaN counts as infinite."""
    peaks = [Peak(name, value if value == value else float('inf'))
             for name, value in values.items()]
    return sorted(peaks, key=lambda peak: -peak.value)
