"""The decoding of cells as one operator, and whether a device decodes with it."""

from dataclasses import dataclass
from typing import Sequence

import torch

from mtshare_ros.inference.map_decoder import CellDecoder, decode_cells, MapGeometry
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
"""Of a trial; the kernel is compiled anew for every power of two."""


def _plain(
    raw: torch.Tensor, cells: torch.Tensor, maps: Sequence[torch.Tensor], columns: int,
    side: int, target: int, encoding: str,
) -> None:
    grid = raw.shape[2] // side, columns
    geometry = MapGeometry.of(Enlargement(side, target), grid, raw.device)
    decode_cells(geometry, encoding, raw, cells, maps)


define('decode_cells(Tensor raw, Tensor cells, Tensor(a!)[] maps, int columns, int side, '
       'int target, str encoding) -> ()', 'mtshare_ros.inference.static.map_kernels', plain=_plain)


def decode_cells_fused(
    geometry: MapGeometry, encoding: str, raw: torch.Tensor, cells: torch.Tensor,
    maps: Sequence[torch.Tensor],
) -> None:
    """Decode in one launch on CUDA, with Triton; see ``CellDecoder``."""
    torch.ops.mtshare.decode_cells(
        raw, cells, maps, geometry.level.grid[1], geometry.enlargement.side,
        geometry.enlargement.target, encoding)


@dataclass(frozen=True)
class ChosenDecoder:
    """How a device decodes cells, and what the user should be told about that."""

    decode: CellDecoder
    notices: tuple[str, ...] = ()


def choose_decoder(
    device: torch.device, task: str, side: int, patch_size: int, encoding: str = ''
) -> ChosenDecoder:
    """
    Return how to decode a task's cells of ``side`` pixels on a device.

    It is the kernel only where that gives what its plain twin gives.
    """
    if device.type == 'cpu':
        return ChosenDecoder(decode_cells)
    if not has_triton():
        return ChosenDecoder(decode_cells, (NO_TRITON,))
    sample = MapSample(device, task, encoding or get_task(task).encoding, side, patch_size)
    fault = fault_of(sample, decode_cells_fused, decode_cells)
    if not fault:
        return ChosenDecoder(decode_cells_fused)
    # what lets no kernel run is told once, not of every task
    step = f'decode_cells of {task}' if fault.startswith(DIFFERS) else 'decode_cells'
    return ChosenDecoder(decode_cells, (left_out([step], device, fault),))


class MapSample:
    """A small raw output that is decoded in part: cells at an edge, inside, and one repeatedly."""

    def __init__(
        self, device: torch.device, task: str, encoding: str, side: int, patch_size: int
    ) -> None:
        self._encoding, self._fields = encoding, fields_of(task, encoding)
        self._geometry = MapGeometry.of(Enlargement(side, patch_size), (3, 3), device)
        generator = torch.Generator().manual_seed(0)
        channels = channels_of(get_task(task), _CLASSES)
        raw = torch.randn(1, channels, 3 * side, 3 * side, generator=generator)
        if encoding == 'direction':
            raw[:, 2] += 5  # to bring short vectors to length one would magnify their roundings
        self._raw = raw.to(device)
        self._cells = torch.tensor([0, 4, 5, 7, 7], device=device)

    def __call__(self, decode: CellDecoder) -> tuple[torch.Tensor, ...]:
        """Return the maps as numbers whose roundings may differ: classes must not."""
        maps = tuple(self._geometry.level.allocate(field.channels, field.dtype, self._raw.device)
                     for field in self._fields)
        decode(self._geometry, self._encoding, self._raw, self._cells, maps)
        first, *others = (rows.half() if rows.dtype == torch.uint8 else rows for rows in maps)
        return first.double() if self._encoding == 'class_logits' else first, *others
