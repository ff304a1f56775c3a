"""The largest numbers of a network, and whether half precision can hold them."""

from typing import Callable

import torch
from torch import nn

from mtshare_ros.model.description import ModelDescription, Peak
from mtshare_ros.model.network import fuse_batch_norm, MultiTaskNetwork

HALF_MAX = torch.finfo(torch.float16).max
"""65,504: what is larger is infinite in fp16."""

RESERVE = 4
"""By how much other pictures may exceed the numbers of the one that was tried."""

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
    Return the largest numbers in half precision, were it used, of a picture of (height, width).

    Computed in float32, the largest first, one for each layer. The residual stream counts where a
    layer reads it only: its sums are float32 in every precision.
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

    ``instead`` are the precisions that can be had in its place.
    """
    advice = f'and fp16 ends at {HALF_MAX:,.0f}: set precision to {instead}'
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
    """Return a hook that notes what a layer takes, where it takes halves, and what it gives."""
    def note(module: nn.Module, taken: tuple[torch.Tensor, ...], given: torch.Tensor) -> None:
        tensors = (given,) if isinstance(module, _NORMS) else (*taken, given)
        found[name] = max(tensor.abs().amax().item() for tensor in tensors)

    return note


def _largest(values: dict[str, float]) -> list[Peak]:
    """Return peaks by name, the largest first; what is no number counts as infinite."""
    peaks = [Peak(name, value if value == value else float('inf'))
             for name, value in values.items()]
    return sorted(peaks, key=lambda peak: -peak.value)
