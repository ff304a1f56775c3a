"""How much memory buffers take, and how it is kept."""

import torch


def tensor_bytes(*tensors: torch.Tensor) -> int:
    """Return the bytes of tensors that do not share storage."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


_WIDEST = torch.complex128


def overwrite(buffer: torch.Tensor, index: torch.Tensor, rows: torch.Tensor) -> None:
    """
    Let rows (n, D) take the places ``index`` (n,) of a buffer (N, D).

    On the CPU they are copied one element after the other, which takes a fraction of the time
    where an element has 16 bytes.
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
    Keep glibc from giving the memory of every gathered list back to the system.

    It returns blocks above a threshold at once, and each frame then pays for fresh pages, which
    can cost more than the gathering. The threshold grows to the largest block that was freed, up
    to 32 MiB, so freeing one such block is all it takes.
    """
    torch.empty(31 << 20, dtype=torch.uint8)
