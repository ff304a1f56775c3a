"""How close kernels come to their plain twins, and where they run."""

import torch

DEVICE = 'cuda' if torch.cuda.is_available() else 'cpu'


def assert_close(found, expected):
    """Compare; what is rounded to half precision differs by a few roundings."""
    assert found.dtype == expected.dtype and found.shape == expected.shape
    tolerance = 8 * torch.finfo(expected.dtype).eps * expected.abs().max().item()
    assert torch.allclose(found.float(), expected.float(), rtol=0, atol=tolerance, equal_nan=True)
