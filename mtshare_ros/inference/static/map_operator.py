"""The decoding of patches as one operator, and whether a device uses its kernel."""

from dataclasses import dataclass
from types import ModuleType
from typing import Sequence

import torch

from mtshare_ros.inference.map_decoder import decode_patches, MapGeometry, PatchDecoder
from mtshare_ros.inference.postprocess import fields_of
from mtshare_ros.sharing.enlargement import Enlargement
from mtshare_ros.sharing.static.kernel_choice import (
    DIFFERS,
    fault_of,
    has_triton,
    left_out,
    NO_TRITON,
)
from mtshare_ros.sharing.static.operators import define
from mtshare_ros.tasks import channels_of, get_task

_CLASSES = 40
"""Classes of a trial; the kernel is compiled anew for every power of two."""


def _plain(
    raw: torch.Tensor, patches: torch.Tensor, maps: Sequence[torch.Tensor], columns: int,
    side: int, target: int, encoding: str,
) -> None:
    grid = raw.shape[2] // side, columns
    geometry = MapGeometry.of(Enlargement(side, target), grid, raw.device)
    decode_patches(geometry, encoding, raw, patches, maps)


def _map_kernels() -> ModuleType:
    from mtshare_ros.inference.static import map_kernels
    return map_kernels


define('decode_patches(Tensor raw, Tensor patches, Tensor(a!)[] maps, int columns, int side, '
       'int target, str encoding) -> ()', _map_kernels, plain=_plain)


def decode_patches_fused(
    geometry: MapGeometry, encoding: str, raw: torch.Tensor, patches: torch.Tensor,
    maps: Sequence[torch.Tensor],
) -> None:
    """Decode in one launch on CUDA, with Triton; see ``PatchDecoder``."""
    torch.ops.mtshare.decode_patches(
        raw, patches, maps, geometry.level.grid[1], geometry.enlargement.side,
        geometry.enlargement.target, encoding)


@dataclass(frozen=True)
class ChosenDecoder:
    """How a device decodes patches, and what the user should be told about that."""

    decode: PatchDecoder
    notices: tuple[str, ...] = ()


def choose_decoder(
    device: torch.device, task: str, side: int, patch_size: int, encoding: str = ''
) -> ChosenDecoder:
    """
    Return how to decode a task's patches of ``side`` pixels on a device.

    It is the kernel only where the kernel gives what its plain twin gives.
    """
    if device.type == 'cpu':
        return ChosenDecoder(decode_patches)
    if not has_triton():
        return ChosenDecoder(decode_patches, (NO_TRITON,))
    sample = MapSample(device, task, encoding or get_task(task).encoding, side, patch_size)
    fault = fault_of(sample, decode_patches_fused, decode_patches)
    if not fault:
        return ChosenDecoder(decode_patches_fused)
    # a reason that concerns all kernels is reported once, not for every task
    step = f'decode_patches of {task}' if fault.startswith(DIFFERS) else 'decode_patches'
    return ChosenDecoder(decode_patches, (left_out([step], device, fault),))


class MapSample:
    """A small raw output of which some patches are decoded: at an edge, inside, one twice."""

    def __init__(
        self, device: torch.device, task: str, encoding: str, side: int, patch_size: int
    ) -> None:
        self._encoding, self._fields = encoding, fields_of(task, encoding)
        self._geometry = MapGeometry.of(Enlargement(side, patch_size), (3, 3), device)
        generator = torch.Generator().manual_seed(0)
        channels = channels_of(get_task(task), _CLASSES)
        raw = torch.randn(1, channels, 3 * side, 3 * side, generator=generator)
        if encoding == 'direction':
            raw[:, 2] += 5  # normalising short vectors would magnify their rounding
        self._raw = raw.to(device)
        self._patches = torch.tensor([0, 4, 5, 7, 7], device=device)

    def __call__(self, decode: PatchDecoder) -> tuple[torch.Tensor, ...]:
        """Return the maps as numbers whose rounding may differ, but for classes."""
        maps = tuple(self._geometry.level.allocate(field.channels, field.dtype, self._raw.device)
                     for field in self._fields)
        decode(self._geometry, self._encoding, self._raw, self._patches, maps)
        # as half precision a byte may differ by one; as doubles, classes must be equal
        first, *others = (rows.half() if rows.dtype == torch.uint8 else rows for rows in maps)
        return first.double() if self._encoding == 'class_logits' else first, *others
