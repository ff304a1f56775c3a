"""The arithmetic of products in training."""

import torch


def dtype_of(precision: str, device: str) -> torch.dtype:
    """Return the type of products; ``auto`` is bf16 on CUDA, fp32 on the CPU."""
    short = precision == 'bf16' or precision == 'auto' and device.startswith('cuda')
    return torch.bfloat16 if short else torch.float32
