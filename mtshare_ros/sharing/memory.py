"""How much memory buffers take, and how it is kept."""

import torch


def tensor_bytes(*tensors: torch.Tensor) -> int:
    """Return the bytes of tensors that do not share storage."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def keep_freed_memory() -> None:
    """
    Keep glibc from giving the memory of every gathered list back to the system.

    It returns blocks above a threshold at once, and each frame then pays for fresh pages, which
    can cost more than the gathering. The threshold grows to the largest block that was freed, up
    to 32 MiB, so freeing one such block is all it takes.
    """
    torch.empty(31 << 20, dtype=torch.uint8)
