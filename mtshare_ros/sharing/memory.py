"""
The layout of weights in memory, and the sizes of buffers and the copies between them.

The layout is chosen by the kind of the machine, never by measured times: layouts round
differently, so a choice that depends on how busy a machine is would change the maps.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch

from mtshare_ros.config import require
from mtshare_ros.errors import ConfigError

AUTO, PACKED, PLAIN = 'auto', 'packed', 'plain'
LAYOUTS = (AUTO, PACKED, PLAIN)
"""``packed`` is the layout of oneDNN, ``plain`` a transposed matrix for the default library."""

TYPICAL_ROWS = 64
"""Number of rows that a packed layout is made for; other numbers use the same layout."""

_INTEL = 'GenuineIntel'


@dataclass(frozen=True)
class Processor:
    """
    What the layout depends on: the CPU, and how PyTorch was built.

    ``vendor`` is the vendor string of an x86 CPU, empty for others; ``mkl`` is whether PyTorch
    uses MKL. ``name`` is the model of the CPU, empty if the system does not tell.
    """

    vendor: str
    mkl: bool
    name: str = ''


def choose_layout(layout: str, device: str, dtype: torch.dtype) -> str:
    """
    Return ``packed`` or ``plain`` for one of ``LAYOUTS`` and the type of a device.

    Raises ConfigError for another value, and for ``packed`` where it cannot run.
    """
    require(layout in LAYOUTS, 'weight_layout', layout, f'one of {", ".join(LAYOUTS)}')
    if layout == PLAIN:
        return PLAIN
    possible = device == 'cpu' and _packing_runs(dtype)
    if layout == AUTO:
        return PACKED if possible and packing_pays(dtype, processor()) else PLAIN
    if not possible:
        raise ConfigError(
            f"weight_layout is 'packed' for {device} in {str(dtype).removeprefix('torch.')}; it "
            'needs a CPU, and a PyTorch with oneDNN for this arithmetic: leave it at auto')
    return PACKED


def packing_pays(dtype: torch.dtype, cpu: Processor) -> bool:
    """
    Tell whether oneDNN's layout is faster on a CPU, according to earlier measurements.

    In float32 MKL is faster on Intel, and oneDNN on other x86 CPUs, for which MKL has no kernels
    of their own; in bfloat16 oneDNN is. Other CPUs were not measured, and get plain weights.
    """
    if dtype != torch.float32:
        return True
    return bool(cpu.vendor) and not (cpu.vendor == _INTEL and cpu.mkl)


def pack(weight: torch.Tensor) -> torch.Tensor:
    """Return a weight (out, in) in the layout of oneDNN."""
    return torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), TYPICAL_ROWS)


def packed_product(
    rows: torch.Tensor, packed: torch.Tensor, bias: torch.Tensor, activation: str = 'none'
) -> torch.Tensor:
    """Return ``activation(x W^T + b)`` (n, out) of rows (n, in) with a weight that is packed."""
    return torch.ops.mkldnn._linear_pointwise.default(
        rows, packed, bias, activation, [], 'none')


@lru_cache(maxsize=1)
def processor(description: Path = Path('/proc/cpuinfo')) -> Processor:
    """Return the CPU that this process runs on."""
    try:
        lines = description.read_text(encoding='utf-8', errors='replace').splitlines()
    except OSError:
        lines = []
    return Processor(_first(lines, 'vendor_id'), torch.backends.mkl.is_available(),
                     _first(lines, 'model name'))


def _first(lines: list[str], key: str) -> str:
    found = (line.partition(':')[2].strip() for line in lines if line.startswith(key))
    return next(found, '')


@lru_cache(maxsize=8)
def _packing_runs(dtype: torch.dtype) -> bool:
    """Tell whether oneDNN's operators, which are private and may be missing, run in a dtype."""
    if not torch.backends.mkldnn.is_available():
        return False
    weight = torch.ones(16, 16, dtype=dtype)
    try:
        packed_product(weight, pack(weight), weight[0])
    except (AttributeError, NotImplementedError, RuntimeError):
        return False
    return True


def tensor_bytes(*tensors: torch.Tensor) -> int:
    """Return the bytes of tensors that do not share storage."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


_WIDEST = torch.complex128


def overwrite(buffer: torch.Tensor, index: torch.Tensor, rows: torch.Tensor) -> None:
    """
    Write rows (n, D) to the places ``index`` (n,) of a buffer (N, D).

    PyTorch copies them element by element on a CPU, so elements of 16 bytes take a fraction of the
    time.
    """
    if buffer.device.type == 'cpu' and _in_wide_elements(buffer) and _in_wide_elements(rows):
        buffer, rows = buffer.view(_WIDEST), rows.view(_WIDEST)
    buffer.index_copy_(0, index, rows)


def _in_wide_elements(rows: torch.Tensor) -> bool:
    size = rows.element_size()
    sizes = rows.shape[-1] * size, rows.storage_offset() * size
    return rows.is_contiguous() and not any(size % _WIDEST.itemsize for size in sizes)


def keep_freed_memory() -> None:
    """
    Keep glibc from returning the memory of every gathered list to the system.

    It returns blocks above a threshold at once, and each frame then needs new pages, which can
    take longer than the gathering. The threshold grows to the largest block that was freed, up to
    32 MiB, so one such block is allocated and freed here.
    """
    torch.empty(31 << 20, dtype=torch.uint8)
