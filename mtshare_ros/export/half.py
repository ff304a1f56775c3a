"""Products in half precision, everything else in float32: fp16 as the engine has it."""

import torch
from torch import nn

from mtshare_ros.model.dpt_head import DptHead
from mtshare_ros.model.head import DecodeHead
from mtshare_ros.model.network import MultiTaskNetwork

_PRODUCTS = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)


def halve_products(network: MultiTaskNetwork) -> None:
    """
    Let the products of a network, in place, take float16 in and give float16 out.

    The residual stream, the norms and the last layer of every head stay in float32.
    """
    kept = {id(layer) for head in network.heads.values() for layer in _last_layers(head)}
    network.stem.proj = _HalfProduct(network.stem.proj, torch.float32)
    _replace_in(network, kept)


class _HalfProduct(nn.Module):
    """A layer whose weights and input are float16."""

    def __init__(self, layer: nn.Module, result: torch.dtype = torch.float16) -> None:
        super().__init__()
        self._layer = layer.half()
        self._result = result

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return what the layer makes of values of any dtype."""
        return self._layer(values.half()).to(self._result)


class _SingleInput(nn.Module):
    """A layer that stays in float32, whatever comes in."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self._layer = layer

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return float32."""
        return self._layer(values.float())


def _replace_in(parent: nn.Module, kept: set[int]) -> None:
    for name, child in list(parent.named_children()):
        if id(child) in kept or isinstance(child, nn.BatchNorm2d):
            setattr(parent, name, _SingleInput(child))
        elif isinstance(child, _PRODUCTS):
            setattr(parent, name, _HalfProduct(child))
        elif not isinstance(child, _HalfProduct):
            _replace_in(child, kept)


def _last_layers(head: nn.Module) -> list[nn.Module]:
    """Return the layers that give a head's output."""
    if isinstance(head, DecodeHead):
        return [head.predict]
    if isinstance(head, DptHead):
        return [head.out.conv3]
    return list(head.children())
